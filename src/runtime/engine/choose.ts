/** Which engine a run uses: the native one where a library is found, else the embedded one. */
import { RunError } from '../run/run-error.js';
import { createEmbeddedEngine, embeddedName } from './embedded.js';
import type { Engine } from './engine.js';
import type { CompileMode } from './tensorflow/compiled-step.js';
import { resolvePrecision, type Precision } from './tensorflow/precision.js';
import { TensorFlowError } from './tensorflow/status.js';
import { oldestVersion, search, type Environment } from './tensorflow/locate.js';

/** What a user asks for. `auto` takes the native engine where one is found. */
export const engineNames = ['auto', 'embedded', 'tensorflow'] as const;
export type EngineName = (typeof engineNames)[number];

export interface EngineChoice {
  readonly engine: EngineName;
  readonly compile?: CompileMode | undefined;
  /** `cpu`, `gpu`, `gpu:1`; a GPU where there is one unless given. */
  readonly device?: string | undefined;
  readonly precision?: Precision | undefined;
  readonly forcePrecision?: boolean | undefined;
  readonly deterministic?: boolean | undefined;
  /** The version of the engine that a run was on until now, as a checkpoint has it: `auto` stays there where it can. */
  readonly ranOn?: string | undefined;
  readonly environment?: Environment | undefined;
}

export interface ChosenEngine {
  readonly engine: Engine;
  /** Why it is not the native one, where that was wanted and something is wrong with it; for the user to read. */
  readonly note: string | null;
}

/** Starts an engine. Rejects with a RunError where `tensorflow` is asked for and cannot be had. */
export async function chooseEngine({
  engine,
  environment,
  ranOn,
  ...how
}: EngineChoice): Promise<ChosenEngine> {
  if (engine === 'embedded') return { engine: await embedded(how), note: null };
  if (engine === 'auto' && ranOn?.startsWith(embeddedName) === true && canEmbed(how)) {
    const other =
      search(environment).chosen === null
        ? null
        : 'it goes on on the embedded engine, as before; --engine tensorflow takes TensorFlow';
    return { engine: await embedded(how), note: other };
  }
  const { chosen, passedOver } = search(environment);
  let cure = 'run `ztrainc engine install` to get TensorFlow';
  const faults = passedOver.map(({ source, problem }) => `${source}: ${problem ?? 'not usable'}`);
  if (chosen?.files) {
    try {
      const { createTensorFlowEngine } = await import('./tensorflow/tensorflow-engine.js');
      const made = await createTensorFlowEngine({ files: chosen.files, ...how });
      // What the user named was passed over: another library is not what they think they run on.
      const named = passedOver.find(({ source }) => source === 'ZTRAIN_TENSORFLOW');
      const note =
        named === undefined
          ? null
          : `ZTRAIN_TENSORFLOW is not used (${named.problem ?? 'it is no library'}): running on ${chosen.folder}`;
      return { engine: made, note };
    } catch (error) {
      // What the user asked for cannot be had: another library would not help, and a process opens only one.
      if (error instanceof RunError) throw error;
      faults.push(`${chosen.source}: ${error instanceof Error ? error.message : String(error)}`);
      // The library is a good one: what it runs on is not, such as a GPU that another process has for itself.
      if (error instanceof TensorFlowError)
        cure = '`ztrainc engine doctor` and nvidia-smi say more; --devices cpu needs no GPU';
    }
  }
  const message = messageOf(faults, cure);
  if (engine === 'tensorflow' || (faults.length > 0 && how.device?.startsWith('gpu') === true)) {
    throw new RunError(message);
  }
  return { engine: await embedded(how), note: faults.length === 0 ? null : message };
}

/** Whether the embedded engine has what is asked for. */
const canEmbed = ({ precision, device }: Partial<EngineChoice>): boolean =>
  precision !== 'bf16' && precision !== 'f16' && device?.startsWith('gpu') !== true;

async function embedded({ precision = 'f32', device = 'auto' }: Partial<EngineChoice>): Promise<Engine> {
  if (device.startsWith('gpu')) {
    throw new RunError(`the embedded engine has no ${device}; run \`ztrainc engine install --cuda\``);
  }
  if (precision === 'bf16' || precision === 'f16') {
    throw new RunError(
      `precision = "${precision}": the embedded engine computes in f32 only, also with --force-precision; use "mixed" or "f32", or TensorFlow (\`ztrainc engine install\`)`,
    );
  }
  const { note } = resolvePrecision(
    precision,
    () => ({ bf16: false, f16: false }),
    'the embedded engine',
    false,
  );
  return createEmbeddedEngine({ notes: note === null ? [] : [note] });
}

function messageOf(faults: readonly string[], cure: string): string {
  return faults.length > 0
    ? `no TensorFlow could be used (${faults.join('; ')}); ${cure}`
    : `no TensorFlow library was found; ${cure}, or set ZTRAIN_TENSORFLOW to the folder of one from ${oldestVersion} on`;
}
