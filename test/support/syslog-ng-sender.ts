import type { ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { killSyslogNg, spawnSyslogNg } from './syslog-ng-program.ts';

/** A real syslog-ng that forwards what stands in a file. */
export class SyslogNgSender implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** `destination` is the inside of one: a driver with its options; `rewrite` that of a rewrite rule before it. */
  static async start(
    directory: string,
    forward: { readonly destination: string; readonly rewrite?: string },
    lines: string,
  ): Promise<SyslogNgSender> {
    await mkdir(directory, { recursive: true });
    const file = join(directory, 'lines.log');
    await writeFile(file, lines);
    await writeFile(join(directory, 'syslog-ng.conf'), configuration(file, forward));
    return new SyslogNgSender(spawnSyslogNg(directory));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return killSyslogNg(this.#child);
  }
}

function configuration(
  file: string,
  { destination, rewrite = '' }: { destination: string; rewrite?: string },
): string {
  return `
@version: 3.35
options { keep-hostname(yes); log-msg-size(65536); time-reopen(1); log-fifo-size(200000); };
source s { file("${file}" flags(no-parse) follow-freq(1) program-override("app")); };
destination d { ${destination} };
rewrite r { ${rewrite} };
log { source(s); rewrite(r); destination(d); flags(flow-control); };
`;
}
