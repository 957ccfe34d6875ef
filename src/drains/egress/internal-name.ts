/**
 * Names that only an inner network answers for: those of one label, and the suffixes that home networks
 * and clusters use. They are reached only where the operator allows every address they resolve to.
 */
export function isInternalName(name: string): boolean {
  return !name.includes('.') || suffixes.some((suffix) => name.endsWith(suffix));
}

const suffixes = ['.local', '.internal', '.localhost', '.svc', '.home.arpa', '.lan', '.intranet'];
