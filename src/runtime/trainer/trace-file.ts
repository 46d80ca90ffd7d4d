/** `trace.json` of a run: where its time went, for a viewer of traces. */
import { join } from 'node:path';
import type { RunFolder } from '../run/folder.js';
import type { AnyTrainer } from './run.js';
import type { Session } from './session.js';
import { shortPath } from './short-path.js';

/** Writes what was traced of the run's time, and returns a line that says where it is. Null where no trace was asked for. */
export async function writeTrace(
  trainer: AnyTrainer,
  { profile, engine }: Session,
  folder: RunFolder | null,
  reason: string,
): Promise<string | null> {
  const spans = profile?.spans ?? null;
  if (spans === null) return null;
  if (folder === null) return 'trace: none is written, for this run has no folder';
  const about = { engine: engine.version, reason };
  await folder.trace(spans.text(`ztrain ${trainer.spec.trainer}`, about));
  const file = shortPath(join(folder.path, 'trace.json'));
  return `trace: ${file}, ${spans.count} spans, for https://ui.perfetto.dev or chrome://tracing`;
}
