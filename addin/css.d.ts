/** Style sheets are webpack's business. */
declare module '*.css'
