import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { GigalixirCli } from '../support/gigalixir-cli.ts';
import { gigalixir, testNeeding } from '../support/needs.ts';
import { postLogs } from '../support/platform-client.ts';
import { frame } from '../support/records.ts';
import { eventually, SpillwayProcess } from '../support/spillway-process.ts';

const email = 'foo+x@example.com';
const password = 'p:a ss/w%rd µ"\'';

testNeeding(
  'the gigalixir CLI',
  gigalixir.isThere,
  'python3 -m venv .cache/gigalixir && .cache/gigalixir/bin/pip install gigalixir==1.16.1',
)(
  'the unmodified Python CLI signs up, logs in, makes an app, adds drains, reads and follows logs, and cleans up',
  { timeout: 180_000 },
  async () => {
    const home = await mkdtemp(join(tmpdir(), 'spillway-cli-'));
    const dataDir = join(home, 'data');
    await using spillway = await SpillwayProcess.start({
      dataDir,
      env: { SPILLWAY_EGRESS_ALLOW: '127.0.0.0/8' },
    });
    const cli = await GigalixirCli.at(home, spillway.publicUrl);

    const signup = await cli.converse(
      ['signup'],
      [
        ['Email', email],
        ['Confirmation code', `@code:${join(dataDir, 'outbox')}`],
        ['Password', password],
        ['Promo code', ''],
        ['Tier', '1'],
        ['proceed', 'y'],
      ],
    );
    expect(signup, signup.stdout + signup.stderr).toMatchObject({ code: 0 });
    expect(signup.stdout).toContain('Welcome to Gigalixir!');

    expect(await cli.run('logout')).toMatchObject({ code: 0 });
    const wrong = await cli.run('login', '-e', email, '-p', 'wrong', '-y');
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain('could not authenticate you');
    const login = await cli.run('login', '-e', email, '-p', password, '-y');
    expect(login).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`Logged in as ${email}.`) as string,
    });
    expect(await cli.netrc()).toContain('machine api.gigalixir.com');

    const account = await cli.run('account');
    expect(account.code).toBe(0);
    expect(JSON.parse(account.stdout)).toMatchObject({ email, tier: 'FREE' });

    const created = await cli.run('create', '-n', 'real-hasty-fruitbat');
    expect(created, created.stderr).toMatchObject({ code: 0, stdout: 'real-hasty-fruitbat\n' });
    const apps = await cli.run('apps');
    expect(JSON.parse(apps.stdout)).toMatchObject([{ unique_name: 'real-hasty-fruitbat' }]);

    const app = ['-a', 'real-hasty-fruitbat'];
    for (const url of [
      'https://user:secret@127.0.0.1:9/logs?api_key=hidden',
      'syslog+tls://127.0.0.1:9',
    ]) {
      expect(await cli.run('drains:add', ...app, url)).toMatchObject({
        code: 0,
        stdout: '',
        stderr: '',
      });
    }
    const listed = await cli.run('drains', ...app);
    expect(listed.stdout).not.toContain('secret');
    expect(listed.stdout).not.toContain('hidden');
    const drains = JSON.parse(listed.stdout) as { id: number; token: string; url: string }[];
    expect(drains).toHaveLength(2);
    const twice = await cli.run('drains:add', ...app, 'syslog+tls://127.0.0.1:9');
    expect(twice.code).toBe(1);
    expect(await cli.run('drains:add', ...app, 'https://10.0.0.1/')).toMatchObject({ code: 1 });

    const { token } = await logToken(spillway, cli);
    const texts = ['plain', 'µ grüße 你好', '\u001b[36mweb.1  | \u001b[0mcolour'];
    await postLogs(spillway.publicUrl, token, texts.map((text) => frame(text)).join(''));
    const message = Buffer.concat([
      Buffer.from('<190>1 2026-01-01T00:00:00+00:00 pod demo web.1 - - bytes '),
      Buffer.from([0xff, 0xfe, 0x0a]),
    ]);
    const raw = Buffer.concat([Buffer.from(`${message.length} `), message]);
    await postLogs(spillway.publicUrl, token, raw);

    const history = await cli.run('logs', ...app, '-t', '-n', '50');
    expect(history.code).toBe(0);
    const shown = Buffer.from(history.stdout, 'latin1');
    for (const text of texts) expect(shown.includes(`demo[web.1]: ${text}\n`)).toBe(true);
    expect(shown.includes(Buffer.from([0x20, 0xff, 0xfe, 0x0a]))).toBe(true);
    expect((await cli.run('logs', ...app, '-t', '-n', 'many')).code).toBe(1);

    const following = cli.follow('logs', ...app, '-n', '1');
    await eventually('the history shows', () => following.output().includes('bytes'));
    await postLogs(spillway.publicUrl, token, frame('while following'));
    await eventually('live lines show', () => following.output().includes('while following\n'));
    await following.stop();

    expect(await cli.run('drains:remove', ...app, String(drains[0]?.id))).toMatchObject({
      code: 0,
      stdout: '',
    });
    expect(JSON.parse((await cli.run('drains', ...app)).stdout)).toHaveLength(1);
    expect(await cli.run('access:add', ...app, 'colleague@example.com')).toMatchObject({ code: 0 });
    expect((await cli.run('logs', '-a', 'not-mine', '-t')).stderr).toContain('account');
    expect(await cli.run('account:ssh_keys')).toMatchObject({ code: 0, stdout: '[]\n\n' });
    expect(await cli.run('apps:destroy', ...app, '-y')).toMatchObject({ code: 0 });
    expect(JSON.parse((await cli.run('apps')).stdout)).toEqual([]);
    expect(await cli.run('logout')).toMatchObject({ code: 0 });
    await rm(home, { recursive: true, force: true });
  },
);

/** The app's log token, asked for with the key that the CLI keeps in its netrc. */
async function logToken(spillway: SpillwayProcess, cli: GigalixirCli): Promise<{ token: string }> {
  const key = /machine api\.gigalixir\.com\s+login (\S+)\s+password (\S+)/.exec(await cli.netrc());
  const response = await fetch(`${spillway.publicUrl}/api/apps/real-hasty-fruitbat/logplex_token`, {
    headers: {
      authorization: `Basic ${Buffer.from(`${key?.[1]}:${key?.[2]}`).toString('base64')}`,
    },
  });
  return ((await response.json()) as { data: { token: string } }).data;
}
