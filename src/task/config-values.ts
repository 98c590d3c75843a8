/** Types of values in a configuration's schema. */
import { z } from 'zod';

export const whole = (least: number) => z.int().min(least);
export const positive = () => z.number().positive();
export const share = () => z.number().min(0).max(1);

/** Marks a key that cannot change the results of finished steps: it may differ when a run is continued. */
export const changeable = <S extends z.ZodType>(key: S): S => key.meta({ ...key.meta(), changeable: true });

/** A checked configuration is frozen. */
export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
