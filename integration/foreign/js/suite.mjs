// A subscriber of the official JavaScript client, as brokertest's suite tries it.
// Usage: node suite.mjs URL SUBJECT OPTIONS, with options of connect() as JSON
//
// Standard output has the payload of each message as a JSON string, one a line. It
// ends when standard input does.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto; // Node 18 has it under another name only
const { connect } = await import("@nats-io/transport-node");

const [servers, subject, options] = process.argv.slice(2);
const nc = await connect({ servers, name: "suite", maxReconnectAttempts: -1, ...JSON.parse(options) });
nc.subscribe(subject, { callback: (err, m) => { if (!err) process.stdout.write(JSON.stringify(m.string()) + "\n"); } });
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
