/**
 * Why `forget` keeps a snapshot: the rules that do, by the names of its request (`tags`: keepTags), and besides any rule
 * `whole` (the newest in which a protected path is stored whole and sound), `proved` (a check found it right) and `unjudged`
 * (it lacks a tag that was asked for).
 */
export const keepReasons = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly', 'within', 'tags', 'whole', 'proved', 'unjudged'] as const
export type KeepReason = (typeof keepReasons)[number]
