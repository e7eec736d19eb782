/*
 * A client as careless as the lesson's, to try the server with: whatever it reads
 * is an answer to it, and it answers nothing. SECOND is how many milliseconds a
 * second of the lesson takes. Usage: client HOST PORT
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SECOND
#define SECOND 1000
#endif

enum { PING = 1, IDLE = 10, INTERVAL = 3, PROBES = 3 };

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
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct message m;
	char bytes[4096];
	int asked = 0, patience = IDLE * SECOND;

	if (argc != 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: client HOST PORT\n");
		return 2;
	}
	to.sin_port = htons(atoi(argv[2]));
	setvbuf(stdout, NULL, _IOLBF, 0);
	struct pollfd s = {.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN};
	if (s.fd < 0 || connect(s.fd, (struct sockaddr *)&to, sizeof to) < 0)
		return fail("connect");
	for (;;) {
		int ready = poll(&s, 1, patience);
		if (ready < 0)
			return fail("poll");
		if (ready == 0) {
			if (asked == PROBES) {
				printf("connection dead\n");
				return 1;
			}
			printf("sending heartbeat #%d\n", ++asked);
			memset(m.data, 'x', sizeof m.data);
			m.type = htonl(PING);
			if (send(s.fd, &m, sizeof m, MSG_NOSIGNAL) < 0)
				return fail("send");
			patience = INTERVAL * SECOND;
			continue;
		}
		ssize_t n = read(s.fd, bytes, sizeof bytes);
		if (n < 0)
			return fail("read");
		if (n == 0) {
			printf("server terminated\n");
			return 1;
		}
		printf("received heartbeat, make heartbeats to 0\n");
		asked = 0;
		patience = IDLE * SECOND;
	}
}
