import { expect, test } from 'vitest';
import { Secret } from '../../src/core/secret.ts';
import { planDrain } from '../../src/drains/drain-plan.ts';
import { AddressPolicy } from '../../src/drains/egress/address-policy.ts';

const httpsBatch = { bytesMax: 102_400, linesMax: 500, waitMsMax: 1000 };
const syslogBatch = { bytesMax: 65_536, linesMax: 5000, waitMsMax: 30 };
const policy = { plain: false, insecure: false, addresses: new AddressPolicy({ allow: [] }) };

function plan(url: string, options: Record<string, unknown> = {}): ReturnType<typeof planDrain> {
  const row = { url: new Secret(url), options, token: 'd.x' };
  return planDrain(row, { policy, httpsBatch, syslogBatch });
}

test('batches follow the kind, and what the owner chose', () => {
  expect(plan('https://h.example.com/').batch).toEqual(httpsBatch);
  expect(plan('syslog+tls://h.example.com:6514').batch).toEqual(syslogBatch);
  expect(
    plan('https://h.example.com/', { batch_bytes: 2000, batch_lines: 7, batch_ms: 50 }).batch,
  ).toEqual({
    bytesMax: 2000,
    linesMax: 7,
    waitMsMax: 50,
  });
});

test('what the operator no longer allows has no target', () => {
  expect(plan('syslog://h.example.com:601')).toMatchObject({
    target: undefined,
    problems: ['scheme syslog is not allowed here: use https or syslog+tls'],
  });
});
