import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { systemClock } from '../src/core/clock.ts';
import { PublicServer } from '../src/public-server.ts';

const options = {
  listen: { host: '127.0.0.1', port: 0 },
  connectionsMax: 10,
  headersMsMax: 10_000,
  requestMsMax: 60_000,
  keepAliveMsMax: 75_000,
  startHoldMsMax: 4000,
  startRetryAfterMs: 5000,
};

/** What the server makes of a request: the door at which it arrives. */
async function doorOf(head: string): Promise<string> {
  const server = new PublicServer(options, { clock: systemClock });
  const url = new URL(await server.listen());
  const door = await new Promise<string>((resolve, reject) => {
    server.open({
      logs: { handle: () => resolve('logs') },
      api: { handle: () => resolve('api'), upgrade: () => resolve('upgrade') },
    });
    const socket = connect(Number(url.port), url.hostname).on('error', reject);
    socket.write(`${head}\r\nHost: x\r\n\r\n`);
  });
  await server.close();
  return door;
}

const http2 = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk';
const websocket = 'Connection: Upgrade\r\nUpgrade: WebSocket';

test.each([
  ['POST /logs HTTP/1.1', 'logs'],
  [`POST /logs HTTP/1.1\r\n${http2}`, 'logs'],
  [`POST /logs HTTP/1.1\r\n${websocket}`, 'logs'],
  [`GET /api/apps HTTP/1.1\r\n${http2}`, 'api'],
  [`GET /api/apps/demo/logs HTTP/1.1\r\n${websocket}`, 'upgrade'],
])('%j arrives at the door %s: only websockets are upgrades', async (head, door) => {
  expect(await doorOf(head)).toBe(door);
});
