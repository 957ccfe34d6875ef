/** The known name that `name` most likely means; undefined when none is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let distance = Math.max(2, Math.floor(name.length / 4)) + 1;
  for (const candidate of known) {
    const candidateDistance = editDistance(name, candidate);
    if (candidateDistance < distance) {
      distance = candidateDistance;
      nearest = candidate;
    }
  }
  return nearest;
}

/**
 * Kubernetes sets variables for every service of the namespace, named after it: a service `spillway` makes
 * `SPILLWAY_SERVICE_HOST`, `SPILLWAY_PORT_8080_TCP_ADDR` and so on, a service `spillway-admin` makes
 * `SPILLWAY_ADMIN_PORT=tcp://…`. They are nobody's spelling mistake.
 */
export function isKubernetesService(name: string, value: string): boolean {
  if (/^SPILLWAY(_\w+)?_SERVICE_(HOST|PORT(_\w+)?)$/.test(name)) return true;
  if (/^SPILLWAY(_\w+)?_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name)) return true;
  return name === 'SPILLWAY_PORT' || (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value));
}

/** Levenshtein's distance: insertions, deletions and replacements of one character. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [i, character] of Array.from(a).entries()) {
    const next = [i + 1];
    for (const [j, other] of Array.from(b).entries()) {
      const replaced = (row[j] ?? 0) + (character === other ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
