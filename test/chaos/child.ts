import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

/** What a process of the harness can be asked; arguments and results are copied. */
type Calls = object;
type Remote<T extends Calls> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};
interface Question {
  readonly id: number;
  readonly call: string;
  readonly args: readonly unknown[];
}
interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** A process of the harness, spoken to by calls. */
export class Child<T extends Calls> {
  readonly ask: Remote<T>;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #questions = 0;
  #isEnding = false;

  /** `file` is a module of this folder that calls {@link answerParent}. */
  constructor(file: string) {
    this.#process = fork(join(import.meta.dirname, file), {
      serialization: 'advanced',
      execArgv: [],
    });
    this.#process.on('message', (message) => this.#answered(message as Reply));
    this.#process.on('exit', (code) => {
      const error = new Error(`${file} ended with ${code}`);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
      if (!this.#isEnding) throw error;
    });
    this.ask = new Proxy({} as Remote<T>, {
      get:
        (_target, call) =>
        (...args: readonly unknown[]) =>
          this.#ask(String(call), args),
    });
  }

  end(): void {
    this.#isEnding = true;
    this.#process.kill('SIGKILL');
  }

  #ask(call: string, args: readonly unknown[]): Promise<unknown> {
    const id = this.#questions++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    const question: Question = { id, call, args };
    this.#process.send(question);
    return waiting.promise;
  }

  #answered({ id, result, error }: Reply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }
}

/** The other side: answers questions, one after the other, and ends with the parent. */
export function answerParent(calls: Calls): void {
  const table = calls as Record<string, (...args: readonly unknown[]) => unknown>;
  process.on('disconnect', () => process.exit());
  process.on('message', (message) => {
    const { id, call, args } = message as Question;
    void (async () => {
      const reply: Reply = await Promise.resolve()
        .then(() => table[call]?.(...args))
        .then(
          (result) => ({ id, result }),
          (error: unknown) => ({ id, error: String(error) }),
        );
      process.send?.(reply);
    })();
  });
}
