/** The part of the environment that concerns us, by name. A variable set to nothing is not set. */
export type Env = ReadonlyMap<string, string>;

/** What other programs name and we obey or judge. */
const foreignNames = new Set([
  'DATABASE_URL',
  'INGEST_STRICT',
  'KAFKA_BROKERS',
  'NODE_ENV',
  'NODE_TLS_REJECT_UNAUTHORIZED',
  'REDIS_URL',
]);

/** The only place that reads `process.env`. */
export function readEnv(environment: NodeJS.ProcessEnv = process.env): Env {
  const env = new Map<string, string>();
  for (const [name, value] of Object.entries(environment)) {
    if (!value || value.trim() === '') continue;
    if (name.startsWith('SPILLWAY_') || foreignNames.has(name)) env.set(name, value.trim());
  }
  return env;
}
