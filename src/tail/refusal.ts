import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Why a stream is not opened, said before any 200, in the API's shape of errors. */
export interface Refusal {
  readonly status: number;
  readonly errors: Readonly<Record<string, readonly string[]>>;
}

export function refusal(status: number, message: string): Refusal {
  return { status, errors: { '': [message] } };
}

export function answerRefusal(res: ServerResponse, { status, errors }: Refusal): void {
  if (res.destroyed) return;
  const body = JSON.stringify({ errors });
  res.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  res.end(body);
}

/** The same on the socket of an upgrade, which has no response object. */
export function answerRefusedUpgrade(socket: Duplex, { status, errors }: Refusal): void {
  const body = JSON.stringify({ errors });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `Content-Type: ${contentType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.once('finish', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

const contentType = 'application/json; charset=utf-8';
