import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

/** Metrics of the process as a whole: Node's own (event loop, heap, collector, descriptors) and what is running. */
export function registerProcessMetrics(
  registry: Registry,
  build: { readonly version: string; readonly node: string },
): void {
  // The monitor is a timer; at its default of 10 ms it alone wakes an idle process a hundred times a second.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  new Gauge({
    name: 'spillway_build_info',
    help: 'Always 1; the labels say what is running.',
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version: build.version, node: build.node }, 1);
}
