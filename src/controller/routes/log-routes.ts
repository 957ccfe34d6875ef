import type { LogRequest } from '../controller-parts.ts';
import { streamFailed } from '../http-rules.ts';
import { countParameter, flagParameter } from '../request-fields.ts';
import { appOf, queryOf, type Routes } from './route-parts.ts';

/** The app's lines as a chunked stream. Everything that can be refused is refused before the 200. */
export const logRoutes: Routes<'access' | 'logStreams' | 'logger'> = (
  api,
  { access, logStreams, logger },
) => {
  api.get(
    '/api/apps/:app/logs',
    { exposeHeadRoute: false, config: { isStream: true } },
    async (request, reply) => {
      const { app } = await appOf(request, access, 'view');
      const query = queryOf(request);
      const wanted: LogRequest = {
        app: app.id,
        numLines: countParameter(query, 'num_lines'),
        follow: flagParameter(query, 'follow'),
      };
      const authorised = access.stillViews(request.headers.authorization, app);
      for (const [name, value] of Object.entries(reply.getHeaders())) {
        if (value !== undefined) reply.raw.setHeader(name, value);
      }
      // From here on the response is the stream's: no framework buffers, compresses or ends it.
      void reply.hijack();
      try {
        await logStreams.stream(wanted, reply.raw, authorised);
      } catch (error) {
        streamFailed(error, reply.raw, logger);
      }
    },
  );
};
