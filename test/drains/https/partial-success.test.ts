import { expect, test } from 'vitest';
import { rejectedRecords } from '../../../src/drains/https/partial-success.ts';

test.each([
  ['{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too old"}}', 3],
  ['{"partialSuccess":{"rejectedLogRecords":3}}', 3],
  ['{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"a warning"}}', 0],
  ['{"partialSuccess":{}}', 0],
  ['{"partialSuccess":null}', 0],
  ['{}', 0],
  ['null', 0],
  ['[]', 0],
  ['', 0],
  ['ok', 0],
  ['{"partialSuccess":{"rejectedLogRecords":-1}}', 0],
  ['{"partialSuccess":{"rejectedLogRecords":1.5}}', 0],
  ['{"partialSuccess":{"rejectedLogRecords":1e300}}', 0],
])('%s says %i', (body, count) => {
  expect(rejectedRecords(Buffer.from(body))).toBe(count);
});
