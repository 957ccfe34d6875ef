import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { HttpsReceiver } from '../support/https-receiver.ts';
import { Pipeline } from '../support/pipeline.ts';
import { postLogs } from '../support/platform-client.ts';
import { frame } from '../support/records.ts';
import { eventually } from '../support/spillway-process.ts';

const secret = 'hunter2-0f9e8d7c';

test('a drain with options gets what its owner asked for, and the rest counts as filtered', async () => {
  await using pipeline = await Pipeline.start();
  await using receiver = await HttpsReceiver.listen(pipeline.authority.issue());
  const options = {
    format: 'ndjson',
    gzip: true,
    process: ['web'],
    strip_ansi: true,
    batch_ms: 50,
    headers: { 'X-Key': secret },
  };
  const body = { url: receiver.url('/in'), options };
  const added = await pipeline.client.call('POST', '/api/apps/demo/drains', 201, body);
  expect(added).toMatchObject({ options: { ...options, headers: { 'X-Key': '***' } } });

  const lines = [
    frame('{"msg":"one","n":1}', { proc: 'web.1' }),
    frame('two', { proc: 'worker.1' }),
    frame('\u001b[1mthree', { proc: 'web' }),
  ];
  const posted = await postLogs(pipeline.spillway.publicUrl, pipeline.token, lines.join(''));
  expect(posted.status).toBe(204);
  await eventually('the receiver has a batch', () => receiver.requests.length > 0);
  const [request] = receiver.requests;
  expect(request?.headers).toMatchObject({
    'content-type': 'application/x-ndjson',
    'x-key': secret,
    'logplex-msg-count': '2',
  });
  const objects = gunzipSync(request?.body ?? '')
    .toString()
    .trimEnd()
    .split('\n');
  expect(objects.map((json) => JSON.parse(json) as unknown)).toMatchObject([
    { message: 'one', n: 1, process: 'web.1' },
    { message: 'three', process: 'web' },
  ]);

  const { spillway } = pipeline;
  await eventually(
    'no backlog',
    async () => (await spillway.metric('spillway_drain_backlog_messages')) === 0,
  );
  const filtered = 'outcome="filtered"';
  expect(await spillway.metric('spillway_drain_messages_total', filtered)).toBe(1);
  expect(await spillway.metric('spillway_conservation_imbalance_messages')).toBe(0);
  await expectNowhere(pipeline, secret);
});

test('a batch under way is in the checkpoint with the options that it was cut with, and no secret of theirs', async () => {
  await using pipeline = await Pipeline.start();
  await using receiver = await HttpsReceiver.listen(pipeline.authority.issue());
  let status = 500;
  receiver.answer = () => ({ status });
  const url = receiver.url(`/in#format=rfc5424&batch_ms=50&sd=[${secret}@32473]`);
  await pipeline.client.addDrain('demo', url);
  const posted = await postLogs(pipeline.spillway.publicUrl, pipeline.token, frame('one'));
  expect(posted.status).toBe(204);
  await eventually('the receiver has been asked', () => receiver.requests.length > 0);
  await expectNowhere(pipeline, secret);
  await pipeline.restart('SIGKILL');
  await expectNowhere(pipeline, secret);
  status = 204;
  const asked = receiver.requests.length;
  await eventually('it was asked again', () => receiver.requests.length > asked);
  const again = receiver.requests.at(-1);
  expect(again?.body.toString()).toContain(`[${secret}@32473] one`);
  expect(again?.headers['logplex-frame-id']).toBe(
    receiver.requests[0]?.headers['logplex-frame-id'],
  );
});

test('an option that is wrong is a 422 with its name, whichever way it comes', async () => {
  await using pipeline = await Pipeline.start();
  const url = pipeline.https.url('/other');
  for (const body of [
    { url: `${url}#format=xml` },
    { url, options: { format: 'xml' } },
    { url: `${url}#format=ndjson`, options: { format: 'ndjson' } },
  ]) {
    const response = await pipeline.client.request('POST', '/api/apps/demo/drains', body);
    expect(response.status).toBe(422);
    expect(await response.text()).toContain('option format');
  }
});

/** Neither on disk nor in what the process says. */
async function expectNowhere(pipeline: Pipeline, text: string): Promise<void> {
  const entries = await readdir(pipeline.dataDir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  expect(files.length).toBeGreaterThan(3);
  for (const { parentPath, name } of files) {
    const bytes = await readFile(join(parentPath, name));
    expect([name, bytes.includes(text)]).toEqual([name, false]);
  }
  expect(JSON.stringify(pipeline.spillway.log)).not.toContain(text);
}
