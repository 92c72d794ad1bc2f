import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { connectionLimits } from '../../../src/api/connections.ts';
import { API_LIMITS } from '../../../src/api/limits.ts';
import type { Api } from '../../../src/api/server.ts';
import { fakePeer, startFakeApi } from '../../support/fake-peer.ts';

describe('api/connections', () => {
  let api: Api;
  let sockets: Socket[] = [];
  before(async () => {
    const limits = { ...API_LIMITS, connections: 5, connectionsPerClient: 3 };
    api = await startFakeApi(fakePeer(), { limits });
  });
  after(() => api.close());
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets = [];
    await setTimeout(50);
  });

  /** Whether the connection is kept: it is asked something, and answered. */
  async function isKept(localAddress: string): Promise<boolean> {
    const socket = connect({ host: '127.0.0.1', port: api.port, localAddress });
    sockets.push(socket);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    socket.once('data', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.write('GET /v2/health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n');
    return promise;
  }

  it('lets one client have so many and no more, whatever others have, and again when it has closed one', async () => {
    for (let index = 0; index < 3; index++) assert.equal(await isKept('127.0.0.2'), true);
    assert.equal(await isKept('127.0.0.2'), false);
    assert.equal(await isKept('127.0.0.3'), true);
    sockets[0]!.destroy();
    await setTimeout(50);
    assert.equal(await isKept('127.0.0.2'), true);
  });

  it('closes those that are idle when there are too many of all, so that others get in', async () => {
    for (let client = 2; client < 7; client++) assert.equal(await isKept(`127.0.0.${client}`), true);
    assert.equal(await isKept('127.0.0.8'), false, 'nothing is free');
    await setTimeout(50);
    assert.equal(await isKept('127.0.0.8'), true);
  });

  it('leaves the mesh half of what the process may have, whatever that is', () => {
    assert.deepEqual(connectionLimits(1_024), { connections: 512, connectionsPerClient: 256 });
    assert.deepEqual(connectionLimits(3), { connections: 1, connectionsPerClient: 1 });
    assert.deepEqual(connectionLimits(null), connectionLimits(2 ** 20));
  });
});
