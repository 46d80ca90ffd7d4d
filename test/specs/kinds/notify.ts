/** The add-on of `pets.ztrain`: what a run has come to, appended to a file in its folder. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import type { addons } from 'ztrain/runtime';

interface Options {
  readonly file: string;
  readonly webhook: addons.Secret;
  readonly monitor: addons.Metric;
  readonly when: 'best' | 'end';
  readonly mention: readonly string[];
}

export const notify =
  ({ file, webhook, monitor, when, mention }: Options): addons.Start =>
  ({ folder }) => ({
    fitEnd: ({ step }, metrics) => {
      const [to, names] = [webhook.reveal(), mention.join(' ')];
      const line = `${to} ${when} ${names}: ${monitor.metric} is ${metrics.get(monitor.metric)} after ${step}\n`;
      if (folder !== null) appendFileSync(join(folder, file), line);
    },
  });
