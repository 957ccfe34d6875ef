import type { AppId, DrainId } from '../../core/ids.ts';
import type { FailureReason } from '../drain.ts';

/** What the owner of a drain is told without having asked. */
export const drainEventKinds = ['held', 'failing', 'disabled', 'recovered'] as const;
export type DrainEventKind = (typeof drainEventKinds)[number];

export interface DrainEvent {
  readonly kind: DrainEventKind;
  readonly drain: DrainId;
  readonly app: AppId;
  /** The drain's URL with its secrets masked. */
  readonly maskedUrl: string;
  /** Of the last failed attempt; undefined when there was none in this process, or the drain has recovered. */
  readonly reason: FailureReason | undefined;
  readonly status: number | undefined;
  readonly atMs: number;
}

/** Whoever wants to hear of events. Never waits. */
export interface DrainEventSink {
  tell(event: DrainEvent): void;
}
