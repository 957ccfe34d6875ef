import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { EgressMetrics } from '../../../src/drains/egress/egress-metrics.ts';

test('every outcome and refusal is there from the beginning', async () => {
  const registry = new Registry();
  const metrics = new EgressMetrics(registry);
  metrics.dialled('tls');
  metrics.refused('port');
  const text = await registry.metrics();
  const values = text.split('\n').filter((line) => line.startsWith('spillway_'));
  expect(values.toSorted()).toEqual(
    [
      'spillway_egress_dials_total{outcome="connected"} 0',
      'spillway_egress_dials_total{outcome="cancelled"} 0',
      'spillway_egress_dials_total{outcome="timeout"} 0',
      'spillway_egress_dials_total{outcome="connect"} 0',
      'spillway_egress_dials_total{outcome="dns"} 0',
      'spillway_egress_dials_total{outcome="tls"} 1',
      'spillway_egress_dials_total{outcome="blocked_address"} 0',
      'spillway_egress_dials_total{outcome="closed"} 0',
      'spillway_egress_refusals_total{reason="address"} 0',
      'spillway_egress_refusals_total{reason="port"} 1',
      'spillway_egress_refusals_total{reason="name"} 0',
    ].toSorted(),
  );
});
