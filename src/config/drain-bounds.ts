import { dayMs, hourMs, kib, mib, minuteMs, secondMs } from './units.ts';

/** The bounds of the drains, each with the reason for it, by part. */
export const drainBounds = {
  /** Queued lines of all drains together; used up, the largest laggard lets go, and reads its lines again later. */
  queuesBytesMax: 256 * mib,
  /** Memory of bodies that were sent, kept for the next ones of all drains. */
  bodyPoolBytesMax: 16 * mib,
  /**
   * Drains that catch up, all together: what they may send in one turn, and how long they wait at most for the event
   * loop to have rested after it. Where it never rests, that leaves them 2.5 MB/s, and more with large batches.
   */
  catchUp: { turnBytesMax: 32 * kib, restMsMax: 12 },
  worker: {
    /** Lines waiting in memory for one drain; beyond it the drain lags and reads the log. */
    queueBytesMax: 4 * mib,
    /** One page of a catch-up read. */
    readBytesMax: 1 * mib,
    retryBaseMs: 1 * secondMs,
    /** A receiver that comes back is found within five minutes. */
    retryMsMax: 5 * minuteMs,
    /** A failure after so long without one is a new one, not the next of a row. */
    stableMs: 1 * minuteMs,
    /** A held drain is probed with its next batch this often. */
    holdProbeMs: 5 * minuteMs,
    /** Failed attempts for so long, without one success: nobody reads this drain. */
    disableAfterMs: 5 * dayMs,
    /** Requests spent on finding the offending lines of one batch. */
    splitRequestsMax: 20,
    /** A receiver's limit seldom changes; a batch that it has to refuse is sent in vain. */
    smallBatchMs: 10 * minuteMs,
  },
  manager: {
    /** A registry that could not be read is read again after this. */
    retryMs: 1 * secondMs,
    /** A pause or a change of options: what is under way may come to an end, so that it is not sent twice. */
    handoverMsMax: 5 * secondMs,
    /** Longer than most receivers are mended in, and long before the drain is disabled. */
    failingMs: 24 * hourMs,
    /** Each reads the log beside everything else. */
    replaysMax: 20,
    testsMax: 20,
    /** An owner's command is answered with its effect; where that takes longer, without. */
    settleMsMax: 6 * secondMs,
  },
  /** An hour of nothing but failures: whoever asked for the replay has gone home. */
  replayFailMsMax: 1 * hourMs,
  probe: {
    /** All steps: longer than the limits of each kind of drain for its own. */
    probeMsMax: 30 * secondMs,
  },
  /** Mails and webhook calls about the state of drains, each. */
  events: {
    pendingMax: 1_000,
    triesMax: 5,
    retryBaseMs: 5 * secondMs,
    retryMsMax: 5 * minuteMs,
    sendMsMax: 30 * secondMs,
    /** Of one drain and kind: one that comes and goes must not fill a mailbox. */
    intervalMs: 1 * hourMs,
    remembersMax: 100_000,
    /** Nobody needs the body of an answer. */
    responseBytesMax: 64 * kib,
  },
  /** At most one notice per drain and code in this time. */
  noticeIntervalMs: 10 * secondMs,
  /** Logplex's receivers expect bodies of about this size. */
  httpsBatch: { bytesMax: 100_000, linesMax: 500, waitMsMax: 1 * secondMs },
  /** One write to a TLS socket; a stream has no requests to save, so lines hardly wait. */
  syslogBatch: { bytesMax: 64 * kib, linesMax: 10_000, waitMsMax: 20 },
  https: {
    /** Look-up, connection, handshake, request and answer: a receiver that never answers is found within it. */
    deliverMsMax: 15 * secondMs,
    /** As logplex renews its own: a name that changes its address is followed within this. */
    connectionMsMax: 5 * hourMs,
    /** Load balancers close idle connections after a minute; a request must not meet that. */
    idleMsMax: 50 * secondMs,
    responseHeaderBytesMax: 16 * kib,
    /** Nobody needs the body of an answer, and a hostile receiver may send one without end. */
    responseBytesMax: 64 * kib,
    responseBodyMsMax: 2 * secondMs,
    /** What `Retry-After` may ask for: no hammering, and no drain that is silent for a day. */
    retryAfterMsMin: 1 * secondMs,
    retryAfterMsMax: 15 * minuteMs,
  },
  syslog: {
    /** What a peer may not have read yet when the connection breaks: sent again. */
    windowMs: 2 * secondMs,
    windowBytesMax: 8 * mib,
    /** A peer that is gone without a word is found within twenty seconds, by TCP or by us. */
    keepAliveMs: 8 * secondMs,
    stallMsMax: 14 * secondMs,
    /** As logplex renews its own: a name that changes its address is followed within this. */
    connectionMsMax: 5 * hourMs,
    /** Lines go on over the old connection while another is opened; ten tries before there is a pause. */
    renewAheadMs: 10 * minuteMs,
    renewRetryMs: 1 * minuteMs,
    /** A receiver with a backlog to read needs a while to answer our FIN; unanswered, all of it is sent again. */
    finMsMax: 5 * secondMs,
    /** Each look parses the kernel's table of all connections. */
    tickMs: 500,
    /** A receiver has nothing to say; counted over the life of a connection. */
    receivedBytesMax: 1 * mib,
  },
  /** Readings of what TCP has not sent yet, for all drains at once. */
  tcpQueues: { readingGapMs: 500 },
  egress: {
    /** A place in the queue, look-up, all addresses one after the other with a stagger, and the handshake. */
    connectMsMax: 10 * secondMs,
    staggerMs: 250,
    addressesMax: 16,
    /** Connections being made: a host that hangs must not hold the dials of the others. */
    dialsMax: 200,
    dialsPerHostMax: 8,
    /** A hostile name server must not hold more than its own drain. */
    dnsTimeoutMs: 1 * secondMs,
    dnsTries: 2,
    /** Bounds of the records' own time to live. */
    dnsCacheMsMin: 5 * secondMs,
    dnsCacheMsMax: 1 * minuteMs,
    dnsFailureCacheMs: 5 * secondMs,
    dnsCacheNamesMax: 10_000,
  },
} as const;
