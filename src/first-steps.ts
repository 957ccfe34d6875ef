/**
 * Three commands for a POSIX shell with curl that make an account, an app and its first line, through the same
 * API that the platform's CLI calls. Signing up is a conversation, so the first command asks for the code.
 */
export function firstSteps(publicUrl: string): readonly string[] {
  return [
    '',
    'Nothing is stored here yet. Three commands for another terminal:',
    '',
    '# 1. an account; its confirmation code comes by mail, or is shown here',
    account(publicUrl),
    '',
    '# 2. an app',
    `curl -fsS -u "$SPILLWAY_USER" -H 'Content-Type: application/json' -d '{"unique_name":"hello"}' ${publicUrl}/api/apps`,
    '',
    '# 3. its first line, posted as its containers would, and read back',
    firstLine(publicUrl),
    '',
  ];
}

function account(publicUrl: string): string {
  return [
    `signup() { curl -fsS -H 'Content-Type: application/json' -d "$1" ${publicUrl}/api/signup; }`,
    `printf 'e-mail: ' && read -r EMAIL`,
    `UUID=$(signup '{"email":"'"$EMAIL"'"}' | ${valueOf('uuid')})`,
    `printf 'code: ' && read -r CODE`,
    `signup '{"uuid":"'"$UUID"'","confirmation_code":"'"$CODE"'"}' >/dev/null`,
    `printf 'password to choose: ' && read -r PASSWORD`,
    `signup '{"uuid":"'"$UUID"'","password":"'"$PASSWORD"'"}' >/dev/null`,
    `SPILLWAY_USER=$EMAIL:$(signup '{"uuid":"'"$UUID"'","tier":"FREE"}' | ${valueOf('key')})`,
  ].join(' &&\n  ');
}

function firstLine(publicUrl: string): string {
  const api = `${publicUrl}/api/apps/hello`;
  return [
    `TOKEN=$(curl -fsS -u "$SPILLWAY_USER" ${api}/logplex_token | ${valueOf('token')})`,
    `LINE="<190>1 $(date -u +%Y-%m-%dT%H:%M:%SZ) host hello web.1 - - Hello, Spillway."`,
    `curl -fsS -u "token:$TOKEN" -H 'Content-Type: application/logplex-1' -d "\${#LINE} $LINE" ${publicUrl}/logs`,
    `curl -fsS -u "$SPILLWAY_USER" "${api}/logs?num_lines=10&follow=False"`,
  ].join(' &&\n  ');
}

/** The string under `name` in a small JSON object, for shells without jq. */
function valueOf(name: string): string {
  return `sed 's/.*"${name}": *"\\([^"]*\\)".*/\\1/'`;
}
