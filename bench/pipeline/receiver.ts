/**
 * Receives what drains send and counts it. Usage: node bench/pipeline/receiver.ts <https|syslog> <key.pem> <cert.pem>
 * Prints {"port"} when it listens; to each line on stdin it answers with {"messages", "bytes"}; ends with stdin.
 */
import { readFileSync } from 'node:fs';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTls } from 'node:tls';

const [kind = 'https', keyFile = '', certFile = ''] = process.argv.slice(2);
const tls = { key: readFileSync(keyFile), cert: readFileSync(certFile) };
let messages = 0;
let bytes = 0;

const https = () =>
  createHttps(tls, (req, res) => {
    req.on('data', (chunk: Buffer) => (bytes += chunk.length));
    req.on('end', () => {
      messages += Number(req.headers['logplex-msg-count']);
      res.writeHead(204).end();
    });
  });

/** Every message of the load ends with LF and has no other. */
const syslog = () =>
  createTls(tls, (socket) => {
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) messages++;
    });
    socket.on('error', () => undefined);
  });

const server = kind === 'https' ? https() : syslog();
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
});
process.stdin.on('data', () => process.stdout.write(`${JSON.stringify({ messages, bytes })}\n`));
process.stdin.on('end', () => process.exit());
