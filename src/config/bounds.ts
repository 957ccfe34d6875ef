import { drainBounds } from './drain-bounds.ts';
import { hourMs, kib, mib, minuteMs, secondMs } from './units.ts';

/**
 * Every bound of every part with its default and the reason for it, by folder. What operators may set is
 * laid over it by `parseConfig`; the rest is changed here, after reading the reason. The drains' are in
 * `drain-bounds.ts`.
 */
export const bounds = {
  process: {
    /** A second from the close's deadline to the forced exit: long enough to write the last log line. */
    exitGraceMs: 1 * secondMs,
    /** Ctrl-C under npm reaches us twice, from the terminal and from npm; that is one wish to stop. */
    signalRepeatMs: 100,
    /** A start on a full disk looks for space this often. */
    diskFullRetryMs: 1 * secondMs,
    /** A start on a disk that fails copies up to a segment each time. */
    diskFailedRetryMs: 5 * secondMs,
  },

  admin: {
    /** A scraper, a prober or two, and a person. */
    connectionsMax: 100,
    /** Probers give up after a second; a request that trickles in is not one of them. */
    requestMsMax: 5 * secondMs,
  },

  http: {
    /** One log-shuttle per container keeps one connection; file descriptors are the scarce thing. */
    connectionsMax: 20_000,
    /** Headers that take longer are an attack or a dead peer. */
    headersMsMax: 10 * secondMs,
    /** For the API; `/logs` has its own, shorter limit. */
    requestMsMax: 60 * secondMs,
    /** Lines come in bursts: a connection is worth keeping, longer than the minute that proxies keep theirs. */
    keepAliveMsMax: 75 * secondMs,
    /** Until the start is done requests are held, no longer than log-shuttle waits: see `ingest.holdMsMax`. */
    startHoldMsMax: 4 * secondMs,
    startRetryAfterMs: 5 * secondMs,
  },

  bus: {
    /** What may wait for the next fsync; more than one slow fsync of a busy disk gathers. */
    appendQueueBytesMax: 64 * mib,
    /** One `writev` and one fsync: bounded so that the first waiter is not kept by the last. */
    commitBytesMax: 8 * mib,
    /** Catch-up must never queue in front of fsync. */
    readsMax: 2,
    /** A thousand laggards that go through the log together are that far apart, and so are the records of one page. */
    blockCacheBytesMax: 48 * mib,
    /** Indexes of sealed segments are small; those that laggards and tails use stay in memory. */
    indexCacheBytesMax: 64 * mib,
    /** Space that lines leave to the checkpoints and the registry when the disk is full. */
    freeBytesMin: 16 * mib,
    /** How far a power cut may throw the cursors back, at most. */
    checkpointSyncMs: 1 * secondMs,
    /** The journal is rewritten when it is longer than this, and than several times what is alive in it. */
    checkpointCompactBytesMin: 8 * mib,
  },

  registry: {
    /** A writer of the same file that holds its lock longer than this is stuck. */
    busyMsMax: 1 * secondMs,
    appsPerUserMax: 1_000,
    permissionsPerAppMax: 1_000,
    /** Every login makes a key: laptops, servers and CI of one person. Beyond it the oldest ends. */
    apiKeysPerUserMax: 1_000,
    sshKeysPerUserMax: 100,
    /** As the platform documents it. */
    drainsPerAppMax: 5,
    /** A rotation leaves the old token alive for a while; this many rotations within it. */
    logTokensPerAppMax: 10,
    /** Guesses at one confirmation code. */
    codeAttemptsMax: 5,
  },

  ingest: {
    /** log-shuttle gives up on a request after 5 s and then retries it; a status it would never retry. */
    holdMsMax: 4 * secondMs,
    /** Header fields of one request; senders have a dozen, a chain of proxies adds some. */
    headersMax: 100,
    /** A body that takes longer is slow on purpose, or its sender has gone. */
    bodyMsMax: 20 * secondMs,
    /** Bodies being read, held or made durable. One app may have an eighth of it. */
    bytesInFlightMax: 128 * mib,
    /** Header frames have their own bound; texts beyond this are cut, with a mark. Above log-shuttle's 10,000. */
    messageBytesMax: 10_240,
    /** Longer than log-shuttle's whole schedule of retries. */
    repeatWindowMs: 2 * minuteMs,
    /** Two minutes at 4,000 requests a second. */
    repeatsMax: 500_000,
    /** A token may be revoked: what we know of it is asked again after this. */
    tokenFreshMs: 5 * secondMs,
    /** A registry that takes longer cannot judge now; the sender's request still has time to be held. */
    tokenAskMsMax: 2 * secondMs,
    tokenRetryMs: 500,
    tokenAsksMax: 100,
    /** Known and unknown tokens remembered, each. */
    tokensMax: 100_000,
    /** For a start while the registry is down. */
    tokensSaveMs: 10 * secondMs,
    /** A deploy that starts everything at once is not abuse. */
    appBurstBytesMax: 512 * mib,
    appBurstMessagesMax: 2_000_000,
    /** Buckets remembered: an app that has been silent has a full one anyway. */
    appBucketsMax: 100_000,
    /** At most one notice per app and code in this time. */
    noticeIntervalMs: 10 * secondMs,
    /** What senders other than log-shuttle are told to wait. */
    retryAfterMs: 5 * secondMs,
    /** The syslog doors, each. */
    syslog: {
      /** A connection may hold one read (64 KiB) and the beginning of one message: 150 MB if all of them do. */
      connectionsMax: 2_000,
      handshakeMsMax: 10 * secondMs,
      /** From the connection on; time in which the registry cannot judge does not count. */
      unauthorisedMsMax: 10 * secondMs,
      /** A sender that has the wrong token sees soon that it is not welcome, and costs little until then. */
      unauthorisedMessagesMax: 100,
      unauthorisedBytesMax: 64 * kib,
      /** Above the largest octet count; nothing of it but the beginning is kept. */
      pendingBytesMax: 10_000_000,
      /** Syslog connections are silent for long, and whatever is sent while one is closed may be lost. */
      idleMsMax: 24 * hourMs,
      /** A peer that is gone without a word is found by TCP. */
      keepAliveMs: 60 * secondMs,
      /** After our FIN, what a sender wrote before it noticed is still read. */
      endMsMax: 2 * secondMs,
    },
  },

  drains: drainBounds,

  tail: {
    /** `num_lines` when the client does not say. */
    historyLines: 100,
    /** A client that comes back after a break sees at most so many of the lines it missed. */
    resumeLinesMax: 100_000,
    /** Lines gathered for one write; people do not see 20 ms. */
    coalesceMs: 20,
    /** Lines waiting for one slow client; beyond it lines are dropped, and counted for it. */
    clientQueueBytesMax: 256 * kib,
    /** Live records waiting for all clients of one app; beyond it the log is read. */
    appQueueBytesMax: 4 * mib,
    /** No progress at all for so long: the client is gone. */
    stallMsMax: 1 * minuteMs,
    /** Access that was taken away ends a session within this. */
    authoriseEveryMs: 1 * minuteMs,
    /** More often than gateways cut idle connections. */
    pingEveryMs: 20 * secondMs,
    /** Lines that the router never handed out are found within this. */
    checkEveryMs: 5 * secondMs,
    /** One app's users cannot keep the others' out. */
    appSessionsMax: 100,
    /** Origins, beside that of the request itself, whose pages may open websockets. */
    originsAllowed: [] as readonly string[],
  },

  controller: {
    /** Bodies of the API are small. */
    bodyBytesMax: 64 * kib,
    passwords: {
      /** Argon2id as OWASP recommends it: 19 MiB, two passes, one lane. */
      memoryKib: 19_456,
      passes: 2,
      /** Each takes a thread of the pool that also writes the log. */
      concurrentMax: 2,
      waitingMax: 100,
    },
    /** An account alone allows more than one address, so that a stranger cannot soon lock its owner out. */
    passwordAttempts: {
      windowMs: 15 * minuteMs,
      perPairMax: 10,
      perAccountMax: 50,
      perAddressMax: 100,
    },
    /** Mails that somebody can have sent. */
    mailAttempts: { windowMs: 1 * hourMs, perPairMax: 5, perAccountMax: 10, perAddressMax: 50 },
    /** Tests of drains; each makes a connection to somebody else's machine. */
    drainTests: { windowMs: 1 * minuteMs, perPairMax: 10, perAccountMax: 20, perAddressMax: 60 },
    attemptEntriesMax: 100_000,
    /** Mails that wait for the mail server. */
    mailsPendingMax: 1_000,
    /** For each of connecting, the greeting and silence in between. */
    mailWaitMsMax: 20 * secondMs,
    outboxFilesMax: 1_000,
    /** After `rotate` the old token works so long: containers pick up the new one when they restart. */
    tokenGraceMs: 24 * hourMs,
  },
} as const;
