import { expect, test } from 'vitest';
import { CertificateAuthority, selfSigned, type Credentials } from '../support/certificates.ts';
import { HttpsReceiver } from '../support/https-receiver.ts';
import { Pipeline } from '../support/pipeline.ts';
import { postLogs } from '../support/platform-client.ts';
import { frame } from '../support/records.ts';
import { eventually } from '../support/spillway-process.ts';

type Fault = readonly [reason: string, credentials: (trusted: CertificateAuthority) => Credentials];

/** Four drains an app: one less than it may have. */
const faults: Readonly<Record<string, readonly Fault[]>> = {
  first: [
    ['expired', (trusted) => trusted.issue({ fromDays: -10, toDays: -1 })],
    ['not yet valid', (trusted) => trusted.issue({ fromDays: 1, toDays: 10 })],
    ['hostname mismatch', (trusted) => trusted.issue({ hosts: ['other.example.com'] })],
    ['self-signed', () => selfSigned()],
  ],
  second: [
    ['unknown authority', () => new CertificateAuthority('Stranger').issue()],
    // Its intermediate is not shown.
    ['unknown authority', (trusted) => new CertificateAuthority('Between', trusted).issue()],
    ['weak', (trusted) => trusted.issue({ isWeak: true })],
    ['wrong purpose', (trusted) => trusted.issue({ isClientOnly: true })],
  ],
};

test.each(Object.entries(faults))(
  'a receiver whose certificate is at fault gets nothing, its owner reads why, and once it is mended it gets all (%s)',
  { timeout: 90_000 },
  async (app, rows) => {
    await using pipeline = await Pipeline.start();
    const { client, spillway, authority } = pipeline;
    const token = await client.createApp(app);
    const receivers = await Promise.all(
      rows.map(async ([, make]) => HttpsReceiver.listen(make(authority))),
    );
    const urls = receivers.map((receiver) => `https://localhost:${receiver.port}/logs`);
    for (const url of urls) await client.addDrain(app, url);
    const posted = await postLogs(spillway.publicUrl, token, frame('one') + frame('two'));
    expect(posted.status).toBe(204);

    const notices = rows.map(
      ([reason], at) => `Error L14 (certificate validation): error="${reason}" uri="${urls[at]}"`,
    );
    const log = async (): Promise<string> =>
      (await client.request('GET', `/api/apps/${app}/logs?num_lines=100`)).text();
    const told = async (): Promise<boolean> => {
      const text = await log();
      return notices.every((notice) => text.includes(notice));
    };
    await eventually('the owner is told of each', told).catch(async () => {
      expect(await log()).toContain(notices.join('\n'));
    });
    expect(receivers.map((receiver) => receiver.requests)).toEqual(rows.map(() => []));

    for (const receiver of receivers) receiver.renew(authority.issue());
    const hasAll = ({ requests }: HttpsReceiver): boolean => {
      const text = requests.map(({ body }) => body.toString()).join('');
      return text.includes(' one\n') && text.includes(' two\n');
    };
    await eventually('the lines arrive', () => receivers.every(hasAll), 60_000);
    expect(await spillway.metric('spillway_conservation_imbalance_messages')).toBe(0);
    for (const receiver of receivers) await receiver[Symbol.asyncDispose]();
  },
);
