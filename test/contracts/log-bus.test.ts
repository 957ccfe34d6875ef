import { embeddedDefaults, openEmbedded, temporaryDirectory } from '../support/embedded.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { logBusContract } from './log-bus-contract.ts';

logBusContract('the log in memory', () => {
  const bus = new MemoryLog();
  return Promise.resolve({ bus, close: () => bus.close() });
});

logBusContract('the embedded log', () => embedded(embeddedDefaults.segmentBytes));

logBusContract('the embedded log with a segment for every few records', () => embedded(600));

async function embedded(segmentBytes: number) {
  const directory = await temporaryDirectory();
  const bus = await openEmbedded(directory.path, { segmentBytes });
  return {
    bus,
    close: async () => {
      await bus.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}
