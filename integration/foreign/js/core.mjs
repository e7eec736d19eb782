// The official JavaScript client, as it is, through the core features of a
// broker. Usage: node core.mjs nats://HOST:PORT
//
// Standard output has one JSON object a line: {"test": name, "ok": true} or
// {"test": name, "ok": false, "error": text}; {"event": "kill"} asks whoever
// started this to kill the broker and start another at the same address.
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto; // Node 18 has it under another name only
const { connect, createInbox, headers, NoRespondersError, RequestError, TimeoutError } =
  await import("@nats-io/transport-node");

const servers = process.argv[2];
const patience = 20_000;
const tell = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const text = (n) => String(n).padStart(4, "0");
const numbers = (n) => Array.from({ length: n }, (_, k) => text(k));

let open = [];
const dial = async (options = {}) => {
  const nc = await connect({ servers, ...options });
  open.push(nc);
  return nc;
};

// gather subscribes and returns the list that messages are added to.
const gather = (nc, subject, options = {}) => {
  const got = [];
  got.sub = nc.subscribe(subject, {
    ...options,
    callback: (err, m) => got.push(err ?? m),
  });
  return got;
};
const payloads = (got) => got.map((m) => m.string());

// settle returns when all that from published has come to the others.
const settle = async (from, ...to) => {
  await from.flush();
  for (const nc of to) await nc.flush();
};

// awaitStatus waits for a status event of the given type.
const awaitStatus = async (events, type) => {
  for await (const s of events) if (s.type === type) return s;
  throw new Error(`the connection ended without ${type}`);
};

const isNoResponders = (err) =>
  err instanceof NoRespondersError || (err instanceof RequestError && err.isNoResponders());

const tests = {
  async "connection"() {
    const nc = await dial();
    assert.match(nc.info.version, /^[2-9]\.\d+\.\d+/);
    assert.match(nc.info.server_id, /^N[A-Z2-7]{55}$/);
    assert.equal(nc.info.headers, true);
    assert.equal(nc.info.max_payload, 1 << 20);
    assert.equal(nc.info.proto, 1);
    assert.ok((await nc.rtt()) >= 0);
    assert.ok((await dial()).info.client_id > nc.info.client_id);
  },

  async "publish and subscribe"() {
    const [pub, sub] = [await dial(), await dial()];
    const called = gather(sub, "n");
    const iterator = sub.subscribe("n", { max: 1000 });
    await sub.flush();
    for (const n of numbers(1000)) pub.publish("n", n);
    const iterated = [];
    for await (const m of iterator) iterated.push(m.string());
    await settle(pub, sub);
    assert.deepEqual(iterated, numbers(1000));
    assert.deepEqual(payloads(called), numbers(1000));
  },

  async "wildcards"() {
    const [pub, sub] = [await dial(), await dial()];
    const subjects = ["a", "a.b", "a.b.c", "a.x.c", "x.b.c", "a.b.c.d"];
    const want = {
      "a": ["a"],
      "a.*": ["a.b"],
      "a.*.c": ["a.b.c", "a.x.c"],
      "*.b.c": ["a.b.c", "x.b.c"],
      "a.>": ["a.b", "a.b.c", "a.x.c", "a.b.c.d"],
      ">": subjects,
    };
    const got = Object.keys(want).map((pattern) => [pattern, gather(sub, pattern)]);
    await sub.flush();
    for (const s of subjects) pub.publish(s);
    await settle(pub, sub);
    for (const [pattern, list] of got) {
      assert.deepEqual(list.map((m) => m.subject), want[pattern], pattern);
    }
  },

  async "queue groups"() {
    const pub = await dial();
    const members = [await dial(), await dial(), await dial()];
    const got = members.map((nc, k) => gather(nc, ["q.*", "q.>", "q.a"][k], { queue: "workers" }));
    const plain = gather(members[0], "q.a");
    for (const nc of members) await nc.flush();
    for (const n of numbers(600)) pub.publish("q.a", n);
    await settle(pub, ...members);
    assert.deepEqual(payloads(plain), numbers(600));
    assert.deepEqual(got.flatMap(payloads).sort(), numbers(600));
    for (const list of got) assert.ok(list.length > 60, `a member got ${list.length} of 600`);
  },

  async "auto unsubscribe"() {
    const [pub, sub] = [await dial(), await dial()];
    const got = gather(sub, "few", { max: 5 });
    await sub.flush();
    for (const n of numbers(50)) pub.publish("few", n);
    await settle(pub, sub);
    assert.deepEqual(payloads(got), numbers(5));
    assert.equal(got.sub.isClosed(), true);
  },

  async "unsubscribe"() {
    const [pub, sub] = [await dial(), await dial()];
    const [left, stays] = [gather(sub, "u"), gather(sub, "u")];
    await sub.flush();
    pub.publish("u", "1");
    await settle(pub, sub);
    left.sub.unsubscribe();
    await sub.flush();
    pub.publish("u", "2");
    await settle(pub, sub);
    assert.deepEqual(payloads(left), ["1"]);
    assert.deepEqual(payloads(stays), ["1", "2"]);
  },

  async "no echo"() {
    const [mute, other] = [await dial({ noEcho: true }), await dial()];
    const got = gather(mute, "e");
    await mute.flush();
    mute.publish("e", "mine");
    await mute.flush();
    other.publish("e", "theirs");
    await settle(other, mute);
    assert.deepEqual(payloads(got), ["theirs"]);
  },

  async "request and reply"() {
    const [server, nc] = [await dial(), await dial()];
    server.subscribe("svc", { callback: (_, m) => m.respond("re: " + m.string(), { headers: m.headers }) });
    await server.flush();
    const h = headers();
    h.append("Trace", "7");
    const one = await nc.request("svc", "x", { timeout: patience, headers: h });
    assert.equal(one.string(), "re: x");
    assert.equal(one.headers.get("Trace"), "7");
    const own = await nc.request("svc", "y", { timeout: patience, noMux: true, reply: createInbox() });
    assert.equal(own.string(), "re: y");
    const many = await Promise.all(numbers(200).map((n) => nc.request("svc", n, { timeout: patience })));
    assert.deepEqual(many.map((m) => m.string()), numbers(200).map((n) => "re: " + n));
    const mine = await dial({ inboxPrefix: "_MINE" });
    assert.equal((await mine.request("svc", "z", { timeout: patience })).string(), "re: z");
  },

  async "request many"() {
    const nc = await dial();
    for (const n of numbers(4)) {
      const server = await dial();
      server.subscribe("all", { callback: (_, m) => m.respond(n) });
      await server.flush();
    }
    const counted = [];
    for await (const m of await nc.requestMany("all", "", { strategy: "count", maxMessages: 4, maxWait: patience })) {
      counted.push(m.string());
    }
    assert.deepEqual(counted.sort(), numbers(4));
    const chatty = await dial();
    chatty.subscribe("ended", { callback: (_, m) => { for (const n of numbers(3)) m.respond(n); m.respond(); } });
    await chatty.flush();
    const ended = [];
    for await (const m of await nc.requestMany("ended", "", { strategy: "sentinel", maxWait: patience })) {
      if (m.data.length > 0) ended.push(m.string());
    }
    assert.deepEqual(ended, numbers(3));
  },

  async "no responders"() {
    const nc = await dial();
    const began = Date.now();
    await assert.rejects(nc.request("nobody", "x", { timeout: patience }), isNoResponders);
    await assert.rejects(nc.request("nobody", "x", { timeout: patience, noMux: true, reply: createInbox() }), isNoResponders);
    assert.ok(Date.now() - began < patience, "it waited for its timeout");
    // A subscriber that does not answer is another matter.
    const silent = await dial();
    const asked = gather(silent, "silent");
    await silent.flush();
    await assert.rejects(nc.request("silent", "x", { timeout: 300 }), TimeoutError);
    assert.equal(asked.length, 1);
  },

  async "headers"() {
    const [pub, sub] = [await dial(), await dial()];
    const got = gather(sub, "h");
    await sub.flush();
    const h = headers();
    for (const v of ["one", "two", "three"]) h.append("Several", v);
    h.append("lower", "stays lower");
    h.append("Colons", "a: b: c");
    h.append("Long", "x".repeat(3000));
    for (const data of ["", "payload"]) pub.publish("h", data, { headers: h, reply: "back" });
    pub.publish("h", "without");
    await settle(pub, sub);
    for (const [k, data] of ["", "payload"].entries()) {
      assert.equal(got[k].string(), data);
      assert.equal(got[k].reply, "back");
      assert.deepEqual(got[k].headers.values("Several"), ["one", "two", "three"]);
      assert.equal(got[k].headers.get("lower"), "stays lower");
      assert.equal(got[k].headers.get("Colons"), "a: b: c");
      assert.equal(got[k].headers.get("Long").length, 3000);
    }
    assert.equal(got[2].headers, undefined);
  },

  async "large payload"() {
    const [pub, sub] = [await dial(), await dial()];
    const got = gather(sub, "l");
    await sub.flush();
    const sent = [0, 1, 4096, 65_536, 500_000, (1 << 20) - 1, 1 << 20].map((size) => {
      const data = new Uint8Array(size);
      for (let k = 0; k < size; k++) data[k] = (k * 7 + size) & 255;
      pub.publish("l", data);
      return data;
    });
    await settle(pub, sub);
    assert.equal(got.length, sent.length);
    for (const [k, data] of sent.entries()) assert.ok(Buffer.compare(got[k].data, data) === 0, `payload ${k} differs`);
    assert.throws(() => pub.publish("l", new Uint8Array((1 << 20) + 1)));
  },

  async "drain a subscription"() {
    const [pub, nc] = [await dial(), await dial()];
    const sub = nc.subscribe("d", { queue: "q" });
    await nc.flush();
    for (const n of numbers(500)) pub.publish("d", n);
    await settle(pub, nc);
    const drained = sub.drain();
    const got = [];
    for await (const m of sub) got.push(m.string());
    await drained;
    assert.deepEqual(got, numbers(500));
    await assert.rejects(pub.request("d", "", { timeout: patience }), isNoResponders);
  },

  async "drain a connection"() {
    const [pub, nc, watcher] = [await dial(), await dial(), await dial()];
    const handled = gather(watcher, "handled");
    await watcher.flush();
    nc.subscribe("d", { callback: (_, m) => nc.publish("handled", m.data) });
    await nc.flush();
    for (const n of numbers(500)) pub.publish("d", n);
    await settle(pub, nc);
    await nc.drain();
    assert.equal(await nc.closed(), undefined);
    await settle(pub, watcher);
    assert.deepEqual(payloads(handled), numbers(500));
  },

  async "reconnect after an abrupt kill"() {
    const nc = await dial({ reconnectTimeWait: 20, reconnectJitter: 0, maxReconnectAttempts: -1 });
    const got = gather(nc, "r.*");
    const member = gather(nc, "r.>", { queue: "q" });
    for (const n of numbers(10)) nc.publish("r.x", n);
    await nc.flush();
    const id = nc.info.server_id;
    const [lost, again] = [awaitStatus(nc.status(), "disconnect"), awaitStatus(nc.status(), "reconnect")];
    tell({ event: "kill" });
    await lost;
    await again;
    await nc.flush();
    assert.notEqual(nc.info.server_id, id);
    for (const n of numbers(20).slice(10)) nc.publish("r.x", n);
    await nc.flush();
    assert.deepEqual(payloads(got), numbers(20));
    assert.deepEqual(payloads(member), numbers(20));
    await assert.rejects(nc.request("nobody", "", { timeout: patience }), isNoResponders);
  },
};

let failed = 0;
for (const [test, run] of Object.entries(tests)) {
  try {
    await run();
    tell({ test, ok: true });
  } catch (err) {
    failed++;
    tell({ test, ok: false, error: String(err?.stack ?? err) });
  }
  for (const nc of open) await nc.close();
  open = [];
}
tell({ event: "end", tests: Object.keys(tests).length });
process.exitCode = failed > 0 ? 1 : 0;
