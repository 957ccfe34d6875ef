/** What makes two addresses the same account: the address without regard to case. */
export function emailKey(email: string): string {
  return email.normalize('NFC').toLowerCase();
}
