/**
 * The preset for a local network, found by `tilemesh up` in the folder it is started in. A peer runs the same without this
 * file: every setting below is commented out and shows its default. `src/config/define.ts` explains them all.
 *
 * In a project that installed tilemesh, import from 'tilemesh/config' instead.
 */
import { defineConfig } from './src/config/define.ts';

export default defineConfig({
  // What this peer is called in lists. Default: the machine's host name.
  // name: 'board-7',

  // Only peers of the same mesh work together.
  // mesh: 'default',

  // Identity and models. Default: ~/.tilemesh/NAME, so peers of different names can share a machine.
  // data: '/var/lib/tilemesh',

  // Who may join: 'secret' (invited with "tilemesh invite"), 'pinned' (invited, and approved by identity with "tilemesh peer
  // trust") or 'open' (whoever is on the network, for a lab bench). Peers that are set up by a program can share a secret
  // of 16 characters or more instead of invitations: { secret: '...' }, or TILEMESH_MESH_SECRET.
  // membership: { level: 'secret' },

  // The HTTP API answers this machine only; '0.0.0.0' opens it to programs of the network that show the token, which
  // "tilemesh token" prints. There it is in the clear unless it has a certificate:
  // tls: { certificate: '/etc/tilemesh/cert.pem', key: '/etc/tilemesh/key.pem' }, for gRPC as well.
  // api: { host: '127.0.0.1', port: 8470, tls: 'off', grpcPort: 'off' },

  // Where other peers connect. Port 0 takes any free one, which multicast makes known; give a fixed one where you list
  // addresses or where a firewall stands between boards.
  // listen: { port: 0, addresses: [] },

  // Pieces of feature maps travel by TLS connections of their own, which cost a fraction of libp2p's streams, and by those
  // where a firewall stands between boards: open the port, or do with 'streams'.
  // dataPlane: { carrier: 'auto', port: 0 },

  // Boards on one network find each other by multicast DNS. Where a switch or VLAN drops multicast, list every board:
  // discovery: { mdns: true, bootstrap: ['192.168.1.11:4001', '192.168.1.12:4001'] },

  // The kernel is 'onnxruntime', or 'wasm', which is several times slower, where the native binary does not load; 'auto'
  // finds out. Lanes compute tiles side by side, each with so many threads ('wasm': one); 0 is one lane, a thread per core.
  // With isolation 'process' a crash of the runtime costs one tile and not the peer; tensors are copied for that.
  // The speed is measured unless it is given: a short measurement cannot see what else holds a peer up, such as a quota.
  // 'fast' arithmetic computes 3x3 convolutions by minimal filtering: up to twice as fast, not the same to the last bit.
  // kernel: { name: 'auto', lanes: 0, threads: 0, isolation: 'thread', macsPerSecond: 0, arithmetic: 'exact', layers: {} },

  // Weights and feature maps together. Default: half of the machine's memory.
  // memory: { budgetBytes: 1_000_000_000 },

  // Each part of a model is kept on so many peers, so that losing a board loses no weights. Models may take so much of the
  // disk; the one used longest ago makes room for one that is asked for, unless this peer has the only copy.
  // models: { copies: 5, diskBudgetBytes: 8_589_934_592 },

  // So many requests run for each peer of the mesh, and so many wait at this one; beyond that a request is refused at once
  // instead of waiting for ever. A peer that is asked to stop has drainMs to finish what it has in hand.
  // requests: { maxConcurrent: 4, maxQueued: 64, defaultDeadlineMs: 60_000, drainMs: 30_000 },

  // The share of the answers that another peer computes again to compare; whoever is seen to lie is shut out.
  // verify: { share: 0.01 },

  // trace, debug, info, warn, error, fatal or silent.
  // log: { level: 'info' },
});
