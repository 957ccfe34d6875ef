import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { BatchBody } from './batch-body.ts';
import type { BatchEncoder, Cut } from './batch-cutter.ts';
import type { BodyPool } from './formats/body-pool.ts';
import { contentTypeOf } from './formats/content-type.ts';
import { createEncoder } from './formats/create-encoder.ts';
import { createLineFilter } from './formats/line-filter.ts';
import { drainOptions, shapingOptions } from './url/drain-options.ts';
import type { OptionSetting, StoredOptions } from './url/option-values.ts';

/** How lines become the bytes of a batch. */
export interface BatchShape {
  readonly encoder: BatchEncoder;
  /** What an https drain says that the body is. */
  readonly contentType?: string;
  /** The option values that it follows from, as a checkpoint has them; undefined when there are none. */
  readonly saved?: string | undefined;
}

/** A batch and how its lines became its body. */
export interface ShapedCut extends Cut {
  readonly shape: BatchShape;
}

/** The shape of a drain's new batches, and those of batches that were cut before its options changed. */
export interface BatchShapes {
  readonly current: BatchShape;
  /** What was cut with these values comes out the same again. */
  of(saved: string | undefined): BatchShape;
}

/** Seals what must not be read by whoever reads the disk. */
export interface OptionSeal {
  seal(text: string): string;
  /** @throws AppError when it was sealed elsewhere, or its key is gone. */
  open(sealed: string): string;
}

export interface OptionShapesParts {
  readonly seal: OptionSeal;
  readonly logger: Logger;
  readonly bodies: BodyPool;
}

/** Shapes that follow from options. Values are sealed, because some of them are secret. */
export class OptionShapes implements BatchShapes {
  readonly current: BatchShape;
  readonly #drain: { readonly setting: OptionSetting; readonly token: string };
  readonly #parts: OptionShapesParts;

  constructor(
    drain: { readonly options: StoredOptions; readonly setting: OptionSetting; token: string },
    parts: OptionShapesParts,
  ) {
    this.#drain = drain;
    this.#parts = parts;
    const values = shapingOptions(drain.options);
    const hasValues = Object.keys(values).length > 0;
    this.current = {
      ...this.#shapeOf(values),
      saved: hasValues ? parts.seal.seal(JSON.stringify(values)) : undefined,
    };
  }

  of(saved: string | undefined): BatchShape {
    if (saved === this.current.saved) return this.current;
    const values = saved === undefined ? {} : this.#open(saved);
    return values ? { ...this.#shapeOf(values), saved } : this.current;
  }

  /** Undefined when nobody can read it any more: the lines are then cut as new ones are. */
  #open(saved: string): StoredOptions | undefined {
    try {
      return JSON.parse(this.#parts.seal.open(saved)) as StoredOptions;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#parts.logger.warn({ err: error }, 'drain.options_unreadable');
      return undefined;
    }
  }

  #shapeOf(values: StoredOptions): Omit<BatchShape, 'saved'> {
    const options = drainOptions(values, this.#drain.setting);
    const encoder = createEncoder(options, this.#drain.token);
    const { bodies } = this.#parts;
    return {
      encoder: new BatchBody({ encoder, keep: createLineFilter(options), bodies }),
      contentType: contentTypeOf(options),
    };
  }
}
