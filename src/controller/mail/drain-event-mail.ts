import type { AppId, DrainId } from '../../core/ids.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Mailer } from './mailer.ts';
import { mails, type DrainNews } from './mails.ts';

export interface DrainEvent extends Omit<DrainNews, 'appName'> {
  readonly app: AppId;
  readonly drain: DrainId;
}

/** Mails what became of a drain to the owner of its app. @throws DependencyError when that is not possible now. */
export async function mailDrainEvent(
  event: DrainEvent,
  parts: { readonly registry: Pick<Registry, 'apps'>; readonly mailer: Mailer },
): Promise<void> {
  const app = await parts.registry.apps.find(event.app);
  if (app) await parts.mailer.send(mails.drainEvent(app.owner, { ...event, appName: app.name }));
}
