import fc from 'fast-check';
import { expect, test } from 'vitest';
import { basicCredentials } from '../../src/controller/basic-auth.ts';

test('reads raw credentials, and the plus in an address stays a plus', () => {
  expect(basicCredentials(header('foo+x@ex.com:key'))).toEqual([
    { user: 'foo+x@ex.com', password: 'key' },
  ]);
});

test('offers the percent-decoded reading after the raw one', () => {
  expect(basicCredentials(header('foo%2Bx%40ex.com:p%3Aa%20ss/w%25rd+'))).toEqual([
    { user: 'foo%2Bx%40ex.com', password: 'p%3Aa%20ss/w%25rd+' },
    { user: 'foo+x@ex.com', password: 'p:a ss/w%rd+' },
  ]);
});

test('has one reading when a percent sign is not an escape', () => {
  expect(basicCredentials(header('a@b:100%'))).toEqual([{ user: 'a@b', password: '100%' }]);
});

test('the first colon ends the user', () => {
  expect(basicCredentials(header('a@b:x:y:'))).toEqual([{ user: 'a@b', password: 'x:y:' }]);
});

test('reads UTF-8, and Latin-1 where it is not UTF-8', () => {
  expect(basicCredentials(header('a@b:pässwörd'))[0]?.password).toBe('pässwörd');
  const latin = Buffer.from('a@b:pässwörd', 'latin1').toString('base64');
  expect(basicCredentials(`Basic ${latin}`)[0]?.password).toBe('pässwörd');
});

test.each([
  undefined,
  '',
  'Basic',
  'Basic !!!',
  'Bearer abc',
  header('no colon'),
  'Basic YQ== YQ==',
])('reads nothing from %j', (value) => expect(basicCredentials(value)).toEqual([]));

test('the scheme is not case-sensitive', () => {
  expect(basicCredentials('bAsIc YTpi')).toEqual([{ user: 'a', password: 'b' }]);
});

test('whatever is percent-encoded by a client is among the readings, and nothing ever throws', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'grapheme' }),
      (user, password) => {
        const wanted = { user, password };
        const encoded = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
        expect(basicCredentials(header(encoded))).toContainEqual(wanted);
        if (!user.includes(':')) {
          expect(basicCredentials(header(`${user}:${password}`))).toContainEqual(wanted);
        }
      },
    ),
  );
  fc.assert(fc.property(fc.string(), (value) => void basicCredentials(`Basic ${value}`)));
});

function header(text: string): string {
  return `Basic ${Buffer.from(text).toString('base64')}`;
}
