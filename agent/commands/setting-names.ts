/** The names of settings, `label` or `schedule.cron`, from the schema that takes them. */
import { z } from 'zod'

/** Each with its own schema. One whose value is an object, such as the quiet hours, is one setting. */
export function settingSchemas({ shape }: z.ZodObject): ReadonlyMap<string, z.ZodType> {
  return new Map(Object.entries(shape as Record<string, z.ZodType>).flatMap(([name, part]): [string, z.ZodType][] => {
    const inner = unwrapped(part)
    return inner instanceof z.ZodObject ? Object.entries(inner.shape as Record<string, z.ZodType>).map(([key, value]) => [`${name}.${key}`, value]) : [[name, part]]
  }))
}

function unwrapped(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault ? unwrapped(schema.unwrap() as z.ZodType) : schema
}

/** The settings that a name stands for: itself, or all of a group. */
export function namesUnder(names: Iterable<string>, name: string): string[] {
  return [...names].filter((each) => each === name || each.startsWith(`${name}.`))
}
