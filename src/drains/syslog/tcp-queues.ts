import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { endianness } from 'node:os';
import ipaddr from 'ipaddr.js';
import type { Clock } from '../../core/clock.ts';

export interface TcpEndpoints {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

export interface TcpQueuesOptions {
  /** Between two readings; all who ask meanwhile share the next. */
  readonly readingGapMs: number;
}

export interface TcpQueuesParts {
  readonly clock: Clock;
  readonly readTable?: (path: string) => Promise<string>;
}

/**
 * What TCP holds of our connections: bytes that the peer has not acknowledged (`tx_queue` of
 * `/proc/net/tcp`, proc(5)). Elsewhere than on Linux it knows nothing.
 */
export class TcpQueues {
  readonly #options: TcpQueuesOptions;
  readonly #clock: Clock;
  readonly #readTable: (path: string) => Promise<string>;
  #next: Promise<Queues> | undefined;
  /** Local ports that the next reading looks for. */
  #asked = new Set<number>();
  #readAtMs = -Infinity;

  constructor(options: TcpQueuesOptions, parts: TcpQueuesParts) {
    this.#options = options;
    this.#clock = parts.clock;
    this.#readTable = parts.readTable ?? ((path) => readFile(path, 'latin1'));
  }

  /**
   * Bytes of this connection that are not acknowledged, as of a reading that begins after this call; undefined
   * where that cannot be known. Never rejects.
   */
  async unacknowledged(endpoints: TcpEndpoints): Promise<number | undefined> {
    this.#asked.add(endpoints.localPort);
    this.#next ??= this.#read();
    return (await this.#next).get(tableKey(endpoints));
  }

  async #read(): Promise<Queues> {
    const waitMs = this.#readAtMs + this.#options.readingGapMs - this.#clock.monotonicMs();
    await (waitMs > 0 ? this.#clock.sleep(waitMs) : Promise.resolve());
    // Who asks from here on gets the next reading: this one may have passed them already.
    this.#next = undefined;
    const asked = this.#asked;
    this.#asked = new Set();
    this.#readAtMs = this.#clock.monotonicMs();
    const tables = await Promise.all(tablePaths.map((path) => this.#table(path)));
    const queues = new Map<string, number>();
    for (const table of tables) readQueues(table, asked, queues);
    return queues;
  }

  async #table(path: string): Promise<string> {
    try {
      return await this.#readTable(path);
    } catch {
      return '';
    }
  }
}

type Queues = ReadonlyMap<string, number>;

const tablePaths = ['/proc/net/tcp', '/proc/net/tcp6'];

/** Rows are `sl: LOCAL REMOTE ST TX:RX …`, below a head; a node has thousands, and only a few are ours to know. */
function readQueues(table: string, asked: ReadonlySet<number>, queues: Map<string, number>): void {
  for (let end = table.indexOf('\n'); end >= 0; end = table.indexOf('\n', end + 1)) {
    const start = table.indexOf(': ', end) + 2;
    const remote = table.indexOf(' ', start) + 1;
    const state = table.indexOf(' ', remote);
    if (start < 2 || remote < 1 || state < 0) return;
    if (!asked.has(portBefore(table, remote - 1))) continue;
    const held = Number.parseInt(table.slice(state + 4, state + 12), 16);
    queues.set(table.slice(start, state), held);
  }
}

/** The four hex digits in front of `end`, without making a string of them. */
function portBefore(table: string, end: number): number {
  let port = 0;
  for (let at = end - 4; at < end; at++) {
    const code = table.charCodeAt(at);
    port = port * 16 + code - (code > 0x39 ? 0x37 : 0x30);
  }
  return port;
}

function tableKey(endpoints: TcpEndpoints): string {
  const { localAddress, localPort, remoteAddress, remotePort } = endpoints;
  return `${tableAddress(localAddress)}:${hex(localPort, 4)} ${tableAddress(remoteAddress)}:${hex(remotePort, 4)}`;
}

/** The kernel prints addresses as words of four bytes in its own byte order. */
function tableAddress(address: string): string {
  const plain = isIPv6(address) ? (address.split('%')[0] ?? '') : address;
  if (!ipaddr.isValid(plain)) return '';
  const bytes = ipaddr.parse(plain).toByteArray();
  const isLittle = endianness() === 'LE';
  return bytes
    .map((_, at) => hex(bytes[isLittle ? (at & ~3) + 3 - (at & 3) : at] ?? 0, 2))
    .join('');
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}
