// Builds the pane and the page of the ribbon's function commands into dist/pane. TypeScript is stripped by webpack itself
// (Node.js 24); office.js is not part of it: the agent serves Microsoft's files as they are. Each control is marked with its
// place in the source, by which the browser tests tell which of them were used.
import { join } from 'node:path'
import HtmlWebpackPlugin from 'html-webpack-plugin'
import MiniCssExtractPlugin from 'mini-css-extract-plugin'

const source = join(import.meta.dirname, 'addin')
const page = (name, chunk) => new HtmlWebpackPlugin({ filename: `${name}.html`, template: join(source, `${name}.html`), chunks: [chunk], scriptLoading: 'defer', minify: { collapseWhitespace: true, removeComments: true } })

// eslint-disable-next-line import/no-default-export -- what webpack reads
export default (_environment, { mode }) => ({
  entry: { pane: join(source, 'main.ts'), commands: join(source, 'commands', 'commands.ts') },
  output: { path: join(import.meta.dirname, 'dist', 'pane'), filename: '[name].[contenthash:12].js', chunkFilename: '[name].[contenthash:12].js', publicPath: '/', clean: true },
  resolve: { extensions: ['.ts', '.js'] },
  experiments: { typescript: true }, // by itself it steps aside for a rule about .ts
  module: { rules: [
    { test: /addin[\\/](?:views|parts)[\\/][^\\/]+\.ts$/, use: join(import.meta.dirname, 'scripts', 'mark-controls.mjs') },
    { test: /\.css$/, use: [MiniCssExtractPlugin.loader, { loader: 'css-loader', options: { url: false } }] },
  ] },
  plugins: [page('index', 'pane'), page('commands', 'commands'), new MiniCssExtractPlugin({ filename: '[name].[contenthash:12].css' })],
  devtool: mode === 'production' ? false : 'source-map',
  performance: { maxEntrypointSize: 900_000, maxAssetSize: 900_000 },
})
