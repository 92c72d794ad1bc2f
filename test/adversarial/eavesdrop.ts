/** A stranger on the network: asks everybody by multicast, listens, then knocks at the ports it is given. Prints JSON. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import multicastDns from 'multicast-dns';

const GROUP = '224.0.0.251';
const LISTEN_MS = 7_000;
const KNOCK_MS = 2_000;

/** Everything that is said on the group, whoever says it. */
async function overhear(): Promise<readonly Buffer[]> {
  const heard: Buffer[] = [];
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('message', (packet) => heard.push(packet));
  await new Promise<void>((resolve) => socket.bind(5353, resolve));
  socket.addMembership(GROUP);
  const asking = multicastDns();
  for (const name of ['_tilemesh._udp.local', '_p2p._udp.local', '_services._dns-sd._udp.local']) {
    asking.query({ questions: [{ name, type: 'PTR' }] });
  }
  await pause(LISTEN_MS);
  asking.destroy();
  socket.close();
  return heard;
}

/** What a port answers to each of some first words. */
async function knock(host: string, port: number): Promise<readonly Buffer[]> {
  const words = [
    '',
    'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
    '\x13/multistream/1.0.0\n',
    '\x13/multistream/1.0.0\n\x07/noise\n',
  ];
  return Promise.all(
    words.map(async (text) => {
      const answer: Buffer[] = [];
      const socket = connect(port, host, () => socket.write(text));
      socket.on('data', (bytes) => answer.push(bytes)).on('error', () => undefined);
      await pause(KNOCK_MS);
      socket.destroy();
      return Buffer.concat(answer);
    }),
  );
}

const [host = '', ...ports] = process.argv.slice(2);
const heard = await overhear();
const answers = (await Promise.all(ports.map((port) => knock(host, Number(port))))).flat();
const texts = (buffers: readonly Buffer[]): readonly string[] => buffers.map((bytes) => bytes.toString('latin1'));
console.log(JSON.stringify({ heard: texts(heard), answers: texts(answers) }));
