/**
 * Starts Spillway, an https receiver, a syslog+tls receiver, a sample app and a tail on loopback, and shows lines
 * arriving everywhere. Ends with Ctrl-C, or by itself after the seconds given: `npm run demo -- 10`.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CertificateAuthority } from '../test/support/certificates.ts';
import { HttpsReceiver } from '../test/support/https-receiver.ts';
import { PlatformClient, postLogs } from '../test/support/platform-client.ts';
import { SpillwayProcess } from '../test/support/spillway-process.ts';
import { SyslogReceiver } from '../test/support/syslog-receiver.ts';

const seconds = Number(process.argv[2] ?? Infinity);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
if (Number.isFinite(seconds)) setTimeout(() => stop.abort(), seconds * 1000);

const colours = { app: 33, https: 36, syslog: 35, tail: 32, demo: 0 } as const;

function say(who: keyof typeof colours, text: string): void {
  const name = who.padEnd(6);
  const shown = process.stdout.isTTY ? `\u001b[${colours[who]}m${name}\u001b[0m` : name;
  process.stdout.write(`${shown} ${text.trimEnd()}\n`);
}

const directory = await mkdtemp(join(tmpdir(), 'spillway-demo-'));
const dataDir = join(directory, 'data');
const authority = new CertificateAuthority();
const credentials = authority.issue({ hosts: ['localhost', '127.0.0.1'] });
await writeFile(join(directory, 'ca.pem'), authority.pem);
await using https = await HttpsReceiver.listen(credentials);
await using syslog = await SyslogReceiver.listen(credentials);
https.answer = ({ headers, body }) => {
  say('https', `POST with ${String(headers['logplex-msg-count'])} messages: ${body.toString()}`);
  return { status: 204 };
};
await using spillway = await SpillwayProcess.start({
  dataDir,
  env: {
    SPILLWAY_EGRESS_ALLOW: '127.0.0.0/8',
    SPILLWAY_EGRESS_CA_FILE: join(directory, 'ca.pem'),
  },
});
say('demo', `Spillway listens on ${spillway.publicUrl}; metrics at ${spillway.adminUrl}/metrics`);
const client = await PlatformClient.signUp(spillway.publicUrl, dataDir);
const token = await client.createApp('hello');
await client.addDrain('hello', https.url('/logs', 'user:secret'));
await client.addDrain('hello', `syslog+tls://localhost:${syslog.port}`);
for (const drain of await client.drains('hello')) say('demo', `drain ${drain.id}: ${drain.url}`);

await Promise.all([runApp(), showTail(), showSyslog()]);
say('demo', 'stopping: what is queued is delivered, the tail ends properly');
await spillway.end('SIGTERM');
await rm(directory, { recursive: true, force: true });
process.exit();

/** A container: a line now and then, posted as log-shuttle posts it. */
async function runApp(): Promise<void> {
  for (let n = 1; !stop.signal.aborted; n++) {
    const text = `request ${n} GET / 200 in ${(n * 7) % 90} ms`;
    const message = `<190>1 ${new Date().toISOString()} hello-7f9c hello web.1 - - ${text}\n`;
    const answer = await postLogs(
      spillway.publicUrl,
      token,
      `${Buffer.byteLength(message)} ${message}`,
    );
    say('app', `${text} → ${answer.status}, durable`);
    await sleep(700, undefined, { signal: stop.signal }).catch(() => undefined);
  }
}

async function showTail(): Promise<void> {
  const path = '/api/apps/hello/logs?num_lines=10&follow=True';
  try {
    const { body } = await client.request('GET', path, undefined, stop.signal);
    for await (const chunk of body ?? []) say('tail', Buffer.from(chunk as Uint8Array).toString());
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

async function showSyslog(): Promise<void> {
  for (let shown = 0; !stop.signal.aborted;) {
    for (; shown < syslog.messages.length; shown++) say('syslog', String(syslog.messages[shown]));
    await sleep(50, undefined, { signal: stop.signal }).catch(() => undefined);
  }
}
