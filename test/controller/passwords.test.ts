import { expect, test } from 'vitest';
import { Passwords } from '../../src/controller/passwords.ts';
import { systemChance as chance } from '../../src/core/chance.ts';

const options = { memoryKib: 64, passes: 1, concurrentMax: 2, waitingMax: 3 };

test('a password is right for its own hash alone', async () => {
  const passwords = new Passwords(options, { chance });
  const stored = await passwords.hash('p:a ss/w%rd+é');
  expect(stored).toMatch(/^\$argon2id\$v=19\$m=64,t=1,p=1\$[^$]{22}\$[^$]{43}$/);
  await expect(passwords.verify('p:a ss/w%rd+é', stored)).resolves.toBe(true);
  await expect(passwords.verify('p:a ss/w%rd+', stored)).resolves.toBe(false);
  await expect(passwords.verify('', stored)).resolves.toBe(false);
});

test('the same password twice has two hashes', async () => {
  const passwords = new Passwords(options, { chance });
  expect(await passwords.hash('same')).not.toBe(await passwords.hash('same'));
});

test('both ways to type an umlaut are the same password', async () => {
  const passwords = new Passwords(options, { chance });
  const stored = await passwords.hash('pa\u0308ssword');
  await expect(passwords.verify('p\u00e4ssword', stored)).resolves.toBe(true);
});

test('a hash made with other costs still verifies', async () => {
  const cheap = new Passwords(options, { chance });
  const dear = new Passwords({ ...options, memoryKib: 128, passes: 2 }, { chance });
  await expect(dear.verify('secret', await cheap.hash('secret'))).resolves.toBe(true);
});

test('nobody has no password, and finding that out takes the same computation', async () => {
  const passwords = new Passwords(options, { chance });
  await expect(passwords.verify('anything', undefined)).resolves.toBe(false);
});

test('a bounded number waits in line, and the next one is sent away', async () => {
  const passwords = new Passwords(options, { chance });
  const five = Array.from({ length: 5 }, () => passwords.hash('secret'));
  await expect(passwords.hash('secret')).rejects.toMatchObject({ status: 503 });
  await expect(Promise.all(five)).resolves.toHaveLength(5);
  await expect(passwords.hash('secret')).resolves.toContain('$argon2id$');
});

test('a damaged hash is an error, not a wrong password', async () => {
  const passwords = new Passwords(options, { chance });
  await expect(passwords.verify('secret', '$argon2id$broken')).rejects.toThrow(/damaged/);
});
