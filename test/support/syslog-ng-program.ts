import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Where syslog-ng's packages were unpacked: SYSLOG_NG names it, or `.cache/syslog-ng`. */
const root = resolve(process.env['SYSLOG_NG'] ?? '.cache/syslog-ng');
const binary = join(root, 'usr/sbin/syslog-ng');

export const hasSyslogNg = existsSync(binary);

/** syslog-ng's package and rsyslog's exclude each other, so it is unpacked and not installed. */
export const syslogNgInstall =
  'apt-get download syslog-ng-core libivykis0 libjson-c5 libnet1 libpcre3 libwrap0 libglib2.0-0, and dpkg -x each into .cache/syslog-ng';

/** Starts it with the directory's `syslog-ng.conf`; all its state is in that directory. */
export function spawnSyslogNg(directory: string): ChildProcess {
  const at = (file: string): string => join(directory, file);
  const libraries = ['usr/lib/syslog-ng', ...globSync('{usr/,}lib/*-linux-gnu', { cwd: root })];
  const [modules = ''] = globSync(join(root, 'usr/lib/syslog-ng/*/'));
  return spawn(
    binary,
    [
      '--foreground',
      '--no-caps',
      `--module-path=${modules}`,
      `--cfgfile=${at('syslog-ng.conf')}`,
      `--persist-file=${at('persist')}`,
      `--pidfile=${at('pid')}`,
      `--control=${at('control')}`,
    ],
    {
      stdio: 'ignore',
      env: {
        ...process.env,
        LD_LIBRARY_PATH: libraries.map((library) => join(root, library)).join(':'),
      },
    },
  );
}

/** Kills it, without any goodbye; resolves when it has gone. */
export async function killSyslogNg(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
