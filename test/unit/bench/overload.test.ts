import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { addressOfClient, serve } from '../../../bench/overload/crowd.ts';
import { Client, parseReply, postRequest } from '../../../bench/overload/client.ts';

const reply = (status: number, body: string, headers = ''): string =>
  `HTTP/1.1 ${status} Some Words\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`;

/** A server that answers each request with the next of `replies`, and with the last one from then on. */
async function answering(
  replies: readonly string[],
): Promise<{ readonly url: URL; close(): void; readonly asked: string[] }> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      asked.push(chunk.toString());
      socket.write(replies[Math.min(asked.length, replies.length) - 1]!);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x`), close, asked };
}

describe('bench/overload/client', () => {
  it('reads an answer once all of it is there, and when to come back', () => {
    const whole = reply(503, 'later', 'Retry-After: 7\r\n');
    for (let length = 0; length < whole.length; length++) assert.equal(parseReply(whole.slice(0, length)), undefined);
    assert.deepEqual(parseReply(whole), { status: 503, retryAfterMs: 7_000, body: 'later' });
    assert.deepEqual(parseReply(reply(200, '')), { status: 200, retryAfterMs: 0, body: '' });
  });

  it('asks again and again over one connection, and says when it breaks', async () => {
    const server = await answering([reply(200, 'one'), reply(200, 'two'), reply(200, 'three').slice(0, 20)]);
    const client = await Client.connect(server.url, '127.0.0.9');
    const request = postRequest(server.url, '{}');
    const { signal } = new AbortController();
    assert.equal((await client.ask(request, signal)).body, 'one');
    assert.equal((await client.ask(request, signal)).body, 'two');
    assert.match(server.asked[0]!, /^POST \/x HTTP\/1\.1\r\n.*content-length: 2\r\n\r\n\{\}$/s);
    const third = client.ask(request, signal);
    server.close();
    await assert.rejects(third);
    assert.equal(client.isOpen, false);
  });
});

describe('bench/overload/crowd', () => {
  it('has an address for each client', () => {
    const addresses = Array.from({ length: 10_000 }, (_, index) => addressOfClient(index));
    assert.equal(new Set(addresses).size, 10_000);
    assert.ok(addresses.every((address) => address.split('.').every((part) => Number(part) < 256)));
  });

  it('tells answers, wrong ones, refusals and failures apart, and waits when it is told to', async () => {
    const server = await answering([
      reply(503, 'full', 'retry-after: 1\r\n'),
      reply(500, 'broken'),
      reply(200, 'wrong'),
      reply(429, 'slowly', 'retry-after: 1\r\n'),
      reply(200, 'right'),
    ]);
    try {
      const { refused, failed, wrong, answered, firstRefusalMs, refusalMs, perSecond } = await serve({
        url: server.url,
        pid: process.pid,
        request: postRequest(server.url, '{}'),
        isRight: (body) => body === 'right',
        clients: 1,
        seconds: 2.3,
        signal: new AbortController().signal,
      });
      assert.deepEqual([refused, failed, wrong], [2, 1, 1]);
      assert.ok(answered > 0 && perSecond > 0);
      assert.deepEqual([firstRefusalMs?.count, refusalMs?.count], [1, 1]);
    } finally {
      server.close();
    }
  });
});
