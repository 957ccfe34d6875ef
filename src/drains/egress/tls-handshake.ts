import { isIP, type Socket } from 'node:net';
import {
  connect as startTls,
  type ConnectionOptions,
  type PeerCertificate,
  type TLSSocket,
} from 'node:tls';
import { certificateFacts } from './certificate-facts.ts';
import { certificateProblem, DialError } from './dial-failure.ts';
import type { DialWatch } from './dial-watch.ts';
import type { TlsIdentity, TlsTrust } from './tls-trust.ts';

/** How TLS is to be. */
export interface DialTls {
  /** The name that is asked for and that the certificate must have; the host when undefined. */
  readonly servername?: string;
  /** False accepts any certificate: only when operator and owner both said so. */
  readonly verify: boolean;
  readonly alpn?: readonly string[];
  /** The same object for every connection of a drain. */
  readonly identity?: TlsIdentity;
}

export interface Handshake {
  readonly tcp: Socket;
  readonly host: string;
  readonly tls: DialTls;
  readonly trust: TlsTrust;
  readonly watch: DialWatch | undefined;
}

/** Resolves once TLS stands on the connection; rejects with the socket's error, or with the signal's reason. */
export function shakeHands(hands: Handshake, signal: AbortSignal): Promise<TLSSocket> {
  const { tcp, host, tls, trust, watch } = hands;
  const servername = tls.servername ?? (isIP(host) === 0 ? host : undefined);
  return new Promise((resolve, reject) => {
    const stream = started(tcp, () => ({
      // Without a server name the certificate is checked against the address.
      host,
      ...(servername === undefined ? {} : { servername }),
      ...(tls.alpn === undefined ? {} : { ALPNProtocols: [...tls.alpn] }),
      secureContext: trust.context(tls.identity),
      // Explicit: then NODE_TLS_REJECT_UNAUTHORIZED has no say.
      rejectUnauthorized: tls.verify,
    }));
    const abort = (): void => {
      stream.destroy();
      reject(signal.reason as Error);
    };
    const settle = (): void => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort, { once: true });
    watchCertificate(stream, watch);
    stream.once('secureConnect', () => {
      settle();
      resolve(stream);
    });
    stream.on('error', (error: Error) => {
      settle();
      reject(error);
    });
    stream.once('close', () => {
      settle();
      reject(new DialError({ reason: 'closed' }));
    });
  });
}

/** What OpenSSL does not even begin with, such as a client certificate that is too weak, ends the connection as well. */
function started(tcp: Socket, options: () => ConnectionOptions): TLSSocket {
  try {
    return startTls({ ...options(), socket: tcp });
  } catch (error) {
    tcp.destroy();
    throw error;
  }
}

/** A certificate that is refused can only be read before it is judged: `secure` comes first, then the verdict. */
function watchCertificate(stream: TLSSocket, watch: DialWatch | undefined): void {
  if (!watch) return;
  let shown: PeerCertificate | undefined;
  stream.prependOnceListener('secure', () => (shown = stream.getPeerCertificate()));
  const judged = (error: unknown): void => {
    if (shown) watch.certificate(certificateFacts(shown, certificateProblem(error)));
    shown = undefined;
  };
  // What is accepted nevertheless has its error, as a code, beside it.
  stream.once('secureConnect', () => judged({ code: stream.authorizationError }));
  stream.once('error', judged);
}
