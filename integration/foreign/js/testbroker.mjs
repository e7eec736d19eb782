// A JavaScript test as users of vigil test-broker write it: does a client survive a broker
// that vanishes? Usage: node --test testbroker.mjs, with $VIGIL the program
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { webcrypto } from "node:crypto";
import { createInterface } from "node:readline";
import test from "node:test";

globalThis.crypto ??= webcrypto; // Node 18 has it under another name only
const { connect } = await import("@nats-io/transport-node");

// startBroker starts a broker and returns where clients find it, and ask, which makes
// faults and waits.
async function startBroker(t) {
  const broker = spawn(process.env.VIGIL, ["test-broker"], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => broker.kill());
  const lines = createInterface({ input: broker.stdout })[Symbol.asyncIterator]();
  const url = (await lines.next()).value;
  const control = (await lines.next()).value;
  const ask = async (operation, body = {}) => {
    const response = await fetch(`${control}/v1/${operation}`, { method: "POST", body: JSON.stringify(body) });
    const answer = await response.json();
    assert.ok(response.ok, `${answer.error}\n${answer.timeline}`);
    return answer;
  };
  return { url, ask };
}

test("orders survive a broker crash", async (t) => {
  const { url, ask } = await startBroker(t);
  const nc = await connect({ servers: url, name: "orders", pingInterval: 500, maxPingOut: 2, reconnectTimeWait: 50, maxReconnectAttempts: -1 });
  t.after(() => nc.close());
  const orders = nc.subscribe("orders.>");
  await ask("await/subscribers", { subject: "orders.>" });

  await ask("crash");
  await ask("await/stale", { client: "orders", within: "20s" });
  await ask("restart");
  const { noticed_seconds, back_seconds } = await ask("await/reconnect", { within: "20s" });
  assert.ok(noticed_seconds > 0 && noticed_seconds <= back_seconds);

  await ask("publish", { subject: "orders.1", data: "hello again" });
  for await (const m of orders) {
    assert.equal(m.string(), "hello again");
    break;
  }
});

test("a failure tells the story", async (t) => {
  const { ask } = await startBroker(t);
  await assert.rejects(ask("await/connect", { client: "nobody", within: "50ms" }), /awaited a connection of client "nobody".*\nwhat the broker saw/);
});
