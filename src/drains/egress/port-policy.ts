/**
 * Whether a drain may connect to this port of a public address: the ports of HTTPS and syslog, and those
 * that any user may listen on, less the ones where databases and control planes listen. Port 80 only for
 * the http scheme, which the operator has to allow.
 */
export function isOpenPort(port: number, plainHttp: boolean): boolean {
  if (port === 80) return plainHttp;
  if (port < 1024) return lowPorts.has(port);
  return port <= 65_535 && !controlPorts.has(port);
}

const lowPorts = new Set([443, 514, 601]);

const controlPorts = new Set([
  2375, 2376, 2379, 2380, 3306, 5432, 6379, 6443, 8500, 9042, 9092, 9200, 10_250, 11_211, 27_017,
]);
