/*
 * A server as careless as the lesson's, to try the client with: one client, one
 * read for one message, a sleep that holds up all else, and a PONG whose type is in
 * the byte order of the machine. SECOND is how many milliseconds a second of the
 * lesson takes. Usage: server SECONDS; prints its port.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SECOND
#define SECOND 1000
#endif

enum { PING = 1, PONG = 2, TYPE1 = 11, TYPE2 = 21 };

struct message {
	uint32_t type;
	char data[1024];
};

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof here;
	struct message m;

	if (argc != 2) {
		fprintf(stderr, "usage: server SECONDS\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	int l = socket(AF_INET, SOCK_STREAM, 0);
	if (l < 0 || bind(l, (struct sockaddr *)&here, size) < 0 || listen(l, 1) < 0 ||
	    getsockname(l, (struct sockaddr *)&here, &size) < 0)
		return fail("listen");
	printf("%d\n", ntohs(here.sin_port));
	int c = accept(l, NULL, NULL);
	if (c < 0)
		return fail("accept");
	for (;;) {
		ssize_t n = read(c, &m, sizeof m);
		if (n < 0)
			return fail("read");
		if (n == 0) {
			printf("client closed\n");
			return 0;
		}
		printf("received %zd bytes\n", n);
		switch (ntohl(m.type)) {
		case TYPE1:
		case TYPE2:
			printf("process %s\n", ntohl(m.type) == TYPE1 ? "MSG_TYPE1" : "MSG_TYPE2");
			break;
		case PING:
			usleep(atoi(argv[1]) * SECOND * 1000);
			m.type = PONG;
			if (send(c, &m, sizeof m, MSG_NOSIGNAL) < 0)
				return fail("send");
			break;
		default:
			printf("unknown message type (%u)\n", ntohl(m.type));
			return 1;
		}
	}
}
