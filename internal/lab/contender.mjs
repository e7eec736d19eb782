// The official JavaScript client, as it is, as a contender of the lab: what
// Contend is for Go. Usage:
//
//   node contender.mjs NAME ADDRESS SUBJECT OPTIONS [TO]
//
// It subscribes to SUBJECT, and publishes to TO; OPTIONS are those of connect() as
// JSON. Standard output gets a line once the subscription is in effect, and standard
// error lines of JSON with what happens. It ends with SIGTERM, or with standard
// input.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto; // Node 18 has it under another name only
const { connect } = await import("@nats-io/transport-node");

// As in contend.go.
const publishEvery = 4; // ms
const publishSize = 16 << 10;

const [name, address, subject, options, to] = process.argv.slice(2);

// The time of day in nanoseconds, which is more than a number holds exactly.
const now = () => `${Math.round((performance.timeOrigin + performance.now()) * 1e3)}000`;
const tell = (kind, more = {}) => {
  const rest = JSON.stringify({ kind, ...more });
  process.stderr.write(`{"at":${now()},${rest.slice(1)}\n`);
};

process.stdin.on("end", () => process.exit()).resume();

const nc = await connect({ servers: `nats://${address}`, name, ...JSON.parse(options) });
nc.subscribe(subject, {
  callback: (err, m) => {
    const number = err ? null : /^(\d{1,9})(?: |$)/.exec(m.string());
    if (number) tell("received", { n: Number(number[1]) });
  },
});
await nc.flush();

// It says that a connection is stale, and lets go of it when its socket does, which
// may be much later.
let lost = false;
let reason = "";
(async () => {
  for await (const s of nc.status()) {
    switch (s.type) {
      case "staleConnection":
        tell("lost", { cause: "stale connection", own: true });
        lost = true;
        break;
      case "error":
        reason = s.error.message;
        break;
      case "disconnect":
        // Of a connection that the other end ended it says no more than that.
        if (!lost) tell("lost", { cause: reason || "disconnected", own: false });
        lost = false;
        reason = "";
        break;
      case "reconnect":
        tell("connected");
    }
  }
})();

// It takes whatever it is given, for a socket that takes nothing, too. So that the
// lab does not fill the machine's memory, it is given no more than this without
// having confirmed any of it.
const mostUnconfirmed = 64 << 20;
const flushEvery = 1 << 20;
let taken = 0;
let unconfirmed = 0;
let unflushed = 0;
const flush = () => {
  const bytes = unflushed;
  unflushed = 0;
  nc.flush().then(
    () => (unconfirmed -= bytes),
    () => (unconfirmed -= bytes), // lost with the connection
  );
};
if (to) {
  const timer = setInterval(() => {
    if (unconfirmed >= mostUnconfirmed) return;
    try {
      nc.publish(to, `${taken} `.padEnd(publishSize, "."));
    } catch {
      clearInterval(timer); // it has given up for good
      return;
    }
    taken++;
    unconfirmed += publishSize;
    unflushed += publishSize;
    if (unflushed >= flushEvery) flush();
  }, publishEvery);
}
process.on("SIGTERM", () => {
  tell("published", { n: taken });
  process.exit();
});
process.stdout.write("ready\n");
