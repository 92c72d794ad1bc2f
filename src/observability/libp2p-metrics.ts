/** libp2p's own metrics, in the registry of the peer, under names that keep Prometheus' conventions. */
import { prometheusMetrics } from '@libp2p/prometheus-metrics';
import type { ComponentLogger, Metrics } from '@libp2p/interface';
import type { Registry } from 'prom-client';

/** A total is what only grows; libp2p calls some of its gauges so. */
const gaugeName = (name: string): string => name.replace(/_total$/, '');

type Register = (name: string, options: object) => unknown;

const renamed =
  (register: Register, self: Metrics): Register =>
  (name, options) =>
    register.call(self, gaugeName(name), options);

export const libp2pMetrics =
  (registry: Registry) =>
  (components: { readonly logger: ComponentLogger }): Metrics => {
    const metrics = prometheusMetrics({ registry, collectDefaultMetrics: false })(components);
    metrics.registerMetric = renamed(metrics.registerMetric, metrics) as Metrics['registerMetric'];
    metrics.registerMetricGroup = renamed(
      metrics.registerMetricGroup as Register,
      metrics,
    ) as Metrics['registerMetricGroup'];
    return metrics;
  };
