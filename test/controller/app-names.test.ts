import { expect, test } from 'vitest';
import { appNameProblem, generatedAppName } from '../../src/controller/app-names.ts';
import { systemChance } from '../../src/core/chance.ts';

test.each(['ab', 'my-app', 'my_app-2', '2048', 'a'.repeat(48)])('%s is a name', (name) => {
  expect(appNameProblem(name)).toBeUndefined();
});

test.each(['', 'a', 'a'.repeat(49), '-app', '_app', 'my app', 'my.app', 'My-App', 'æpp', 'a/b'])(
  '%j is none',
  (name) => expect(appNameProblem(name)).toMatch(/^The name m/),
);

test('generated names are names of three words', () => {
  for (let i = 0; i < 500; i++) {
    const name = generatedAppName(systemChance);
    expect(name).toMatch(/^[a-z]+-[a-z]+-[a-z]+$/);
    expect(appNameProblem(name)).toBeUndefined();
  }
});
