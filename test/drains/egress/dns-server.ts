import { createSocket, type Socket } from 'node:dgram';
import { promises as dns } from 'node:dns';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** What a name resolves to: addresses of both families; `hang` says nothing, undefined is NXDOMAIN. */
export type DnsAnswer = readonly string[] | 'hang' | undefined;

/** A name server (RFC 1035) on loopback for one test. */
export class DnsServer implements AsyncDisposable {
  /** Names asked for, one entry per question, with the type. */
  readonly questions: string[] = [];
  answer: (name: string) => DnsAnswer = () => undefined;
  ttl = 0;
  readonly #socket: Socket = createSocket('udp4');

  static async listen(): Promise<DnsServer> {
    const server = new DnsServer();
    server.#socket.on('message', (message, peer) => {
      const reply = server.#reply(message);
      if (reply) server.#socket.send(reply, peer.port, peer.address);
    });
    server.#socket.bind(0, '127.0.0.1');
    await once(server.#socket, 'listening');
    return server;
  }

  /** A client that asks this server, with limits as in production but for their size. */
  client(): dns.Resolver {
    const client = new dns.Resolver({ timeout: 100, tries: 2 });
    client.setServers([`127.0.0.1:${this.#socket.address().port}`]);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  #reply(query: Buffer): Buffer | undefined {
    const { name, end } = readName(query);
    const type = query.readUInt16BE(end);
    this.questions.push(`${name} ${type === 28 ? 'AAAA' : 'A'}`);
    const answer = this.answer(name);
    if (answer === 'hang') return undefined;
    const records = (answer ?? [])
      .filter((address) => isIPv4(address) === (type === 1))
      .map((address) => this.#record(address));
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(answer ? 0x8180 : 0x8183, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    return Buffer.concat([header, query.subarray(12, end + 4), ...records]);
  }

  #record(address: string): Buffer {
    const bytes = ipaddr.parse(address).toByteArray();
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(bytes.length === 4 ? 1 : 28, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(this.ttl, 6);
    record.writeUInt16BE(bytes.length, 10);
    return Buffer.concat([record, Buffer.from(bytes)]);
  }
}

function readName(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length).toLowerCase());
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}
