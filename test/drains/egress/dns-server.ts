import { createSocket, type Socket } from 'node:dgram';
import { promises as dns } from 'node:dns';
import { once } from 'node:events';
import { isIPv4, createServer, type Server } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * What a name resolves to: addresses of both families, or another name and its; `hang` says nothing, `fail` is
 * SERVFAIL, undefined is NXDOMAIN.
 */
export type DnsAnswer =
  | readonly string[]
  | { readonly alias: string; readonly addresses: readonly string[] }
  | 'hang'
  | 'fail'
  | undefined;

/** A name server (RFC 1035) on loopback for one test, over UDP and, for long answers, TCP. */
export class DnsServer implements AsyncDisposable {
  /** Names asked for, one entry per question, with the type. */
  readonly questions: string[] = [];
  answer: (name: string, type: 'A' | 'AAAA') => DnsAnswer = () => undefined;
  ttl = 0;
  readonly #udp: Socket = createSocket('udp4');
  readonly #tcp: Server = createServer();

  static async listen(port = 0): Promise<DnsServer> {
    const server = new DnsServer();
    await server.#listen(port);
    return server;
  }

  async #listen(wanted: number): Promise<void> {
    this.#tcp.on('connection', (socket) => {
      socket.on('error', () => undefined);
      // Queries are short: each comes in one piece, behind its length.
      socket.on('data', (chunk) => {
        const reply = this.#reply(chunk.subarray(2), Infinity);
        if (!reply) return;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        socket.write(Buffer.concat([length, reply]));
      });
    });
    this.#tcp.listen(wanted, '127.0.0.1');
    await once(this.#tcp, 'listening');
    const { port } = this.#tcp.address() as { port: number };
    this.#udp.on('message', (message, peer) => {
      const reply = this.#reply(message, 512);
      if (reply) this.#udp.send(reply, peer.port, peer.address);
    });
    this.#udp.bind(port, '127.0.0.1');
    await once(this.#udp, 'listening');
  }

  /** A client that asks this server, with limits as in production but for their size. */
  client(timeoutMs = 100): dns.Resolver {
    const client = new dns.Resolver({ timeout: timeoutMs, tries: 2 });
    client.setServers([`127.0.0.1:${this.#udp.address().port}`]);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tcp.close();
    this.#udp.close();
    await once(this.#udp, 'close');
  }

  #reply(query: Buffer, bytesMax: number): Buffer | undefined {
    const { name, end } = readName(query);
    const type = query.readUInt16BE(end) === 28 ? 'AAAA' : 'A';
    this.questions.push(`${name} ${type}`);
    const answer = this.answer(name, type);
    if (answer === 'hang') return undefined;
    if (answer === 'fail' || answer === undefined) {
      return message(query, end, answer === undefined ? flags.noSuchName : flags.failed, []);
    }
    const records = this.#records(answer, type);
    const whole = message(query, end, flags.answered, records);
    return whole.length <= bytesMax ? whole : message(query, end, flags.truncated, []);
  }

  #records(answer: Exclude<DnsAnswer, string | undefined>, type: 'A' | 'AAAA'): Buffer[] {
    const { alias, addresses } = 'alias' in answer ? answer : { alias: '', addresses: answer };
    const owner = alias === '' ? pointer : encodeName(alias);
    const found = addresses
      .filter((address) => isIPv4(address) === (type === 'A'))
      .map((address) => ipaddr.parse(address).toByteArray())
      .map((bytes) => record(owner, bytes.length === 4 ? 1 : 28, this.ttl, Buffer.from(bytes)));
    return alias === '' ? found : [record(pointer, 5, this.ttl, owner), ...found];
  }
}

const flags = { answered: 0x8180, truncated: 0x8380, noSuchName: 0x8183, failed: 0x8182 } as const;

/** To the name of the question (RFC 1035 §4.1.4). */
const pointer = Buffer.of(0xc0, 0x0c);

function message(query: Buffer, end: number, flag: number, records: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(flag, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, query.subarray(12, end + 4), ...records]);
}

function record(owner: Buffer, type: number, ttl: number, data: Buffer): Buffer {
  const fields = Buffer.alloc(10);
  fields.writeUInt16BE(type, 0);
  fields.writeUInt16BE(1, 2);
  fields.writeUInt32BE(ttl, 4);
  fields.writeUInt16BE(data.length, 8);
  return Buffer.concat([owner, fields, data]);
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.from(label));
  const parts = labels.flatMap((label) => [Buffer.of(label.length), label]);
  return Buffer.concat([...parts, Buffer.of(0)]);
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
