// .NET's own named pipes, driven step by step from the command line:
//
//   dotnet.exe server|client NAME In|Out|InOut None|CurrentUserOnly|Message STEP...
//
// What happens goes to stderr (so that tests can wait for it), what is received to stdout. Steps:
// write:TEXT  byte:N (WriteByte)  readbyte (prints it in decimal)  read (to the end)  count (to the end,
// prints how much)  echo:KIND:N (so many messages, delimited by u32le, u16be, varint, line or bom)  line (waits for one on stdin)  wait (server: Disconnect and wait for the next client)
using System;
using System.Diagnostics;
using System.IO;
using System.IO.Pipes;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;

static class Program
{
    static int Main(string[] args)
    {
        try
        {
            if (args[0] == "child") return Child(args[1], args[2]);
            if (args[0] == "parent") return Parent(args[1], args.Skip(2).ToArray());
            var direction = (PipeDirection)Enum.Parse(typeof(PipeDirection), args[2]);
            // CurrentUserOnly is newer than the reference assembly that mcs compiles with.
            var options = args[3] == "CurrentUserOnly" ? (PipeOptions)0x20000000 : PipeOptions.None;
            using (PipeStream pipe = args[0] == "server"
                ? Serve(args[1], direction, args[3] == "Message", options)
                : (PipeStream)Connect(args[1], direction, options))
            {
                for (var i = 4; i < args.Length; i++) Do(args[i], pipe);
            }
            return 0;
        }
        catch (Exception e)
        {
            Console.Error.WriteLine(e.GetType().Name + ": " + e.Message);
            return 1;
        }
    }

    static int Child(string input, string output)
    {
        using (var from = new AnonymousPipeClientStream(PipeDirection.In, input))
        using (var to = new AnonymousPipeClientStream(PipeDirection.Out, output))
        {
            Console.Error.WriteLine("read " + from.ReadByte());
            to.WriteByte(200);
            Console.Error.WriteLine("then " + from.ReadByte());
        }
        return 0;
    }

    static int Parent(string program, string[] arguments)
    {
        using (var to = new AnonymousPipeServerStream(PipeDirection.Out, HandleInheritability.Inheritable))
        using (var from = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.Inheritable))
        {
            for (var i = 0; i < arguments.Length; i++)
                arguments[i] = arguments[i].Replace("{in}", to.GetClientHandleAsString()).Replace("{out}", from.GetClientHandleAsString());
            var isMono = Type.GetType("Mono.Runtime") != null;
            var exitCode = isMono ? Spawned(program, arguments, to, from) : Started(program, arguments);
            to.DisposeLocalCopyOfClientHandle();
            from.DisposeLocalCopyOfClientHandle();
            to.WriteByte(100);
            Console.Error.WriteLine("read " + from.ReadByte());
            to.Dispose();
            Console.Error.WriteLine("then " + from.ReadByte());
            return exitCode();
        }
    }

    static Func<int> Started(string program, string[] arguments)
    {
        var child = Process.Start(new ProcessStartInfo(program, string.Join(" ", arguments)) { UseShellExecute = false });
        return () => { child.WaitForExit(); return child.ExitCode; };
    }

    // mono's Process.Start closes all handles in the child (mono#18100), which .NET's does not: there by libc.
    static Func<int> Spawned(string program, string[] arguments, params PipeStream[] ours)
    {
        const int SetFlags = 2, CloseOnExec = 1;
        // As .NET does it since 3.0: the server's own ends are not inherited.
        foreach (var pipe in ours) fcntl(pipe.SafePipeHandle.DangerousGetHandle().ToInt32(), SetFlags, CloseOnExec);
        var argv = new[] { program }.Concat(arguments).Concat(new string[] { null }).ToArray();
        int pid, status;
        if (posix_spawnp(out pid, program, IntPtr.Zero, IntPtr.Zero, argv, new string[] { null }) != 0) return () => 127;
        return () => { waitpid(pid, out status, 0); return status >> 8; };
    }

    [DllImport("libc")]
    static extern int posix_spawnp(out int pid, string file, IntPtr actions, IntPtr attributes, string[] argv, string[] envp);

    [DllImport("libc")]
    static extern int fcntl(int fd, int command, int value);

    [DllImport("libc")]
    static extern int waitpid(int pid, out int status, int options);

    static NamedPipeServerStream Serve(string name, PipeDirection direction, bool messages, PipeOptions options)
    {
        var mode = messages ? PipeTransmissionMode.Message : PipeTransmissionMode.Byte;
        var pipe = new NamedPipeServerStream(name, direction, 1, mode, options);
        Console.Error.WriteLine("listening");
        pipe.WaitForConnection();
        Console.Error.WriteLine("connected");
        return pipe;
    }

    static NamedPipeClientStream Connect(string name, PipeDirection direction, PipeOptions options)
    {
        var pipe = new NamedPipeClientStream(".", name, direction, options);
        pipe.Connect(60000);
        Console.Error.WriteLine("connected");
        return pipe;
    }

    // Reads so many messages, as .NET programs delimit them, and writes each back.
    static void Echo(Stream pipe, string kind, int count)
    {
        var reader = new BinaryReader(pipe);
        var writer = new BinaryWriter(pipe);
        var lines = new StreamReader(pipe);
        var answers = kind == "bom" ? new StreamWriter(pipe, Encoding.UTF8) : new StreamWriter(pipe);
        for (var i = 0; i < count; i++)
        {
            switch (kind)
            {
                case "u32le":
                    var length = BitConverter.ToInt32(reader.ReadBytes(4), 0);
                    var bytes = reader.ReadBytes(length);
                    writer.Write(BitConverter.GetBytes(bytes.Length));
                    writer.Write(bytes);
                    break;
                case "u16be": // Microsoft's StreamString
                    var size = pipe.ReadByte() * 256 + pipe.ReadByte();
                    var text = Encoding.Unicode.GetBytes(Encoding.Unicode.GetString(reader.ReadBytes(size)));
                    pipe.WriteByte((byte)(text.Length / 256));
                    pipe.WriteByte((byte)(text.Length & 255));
                    pipe.Write(text, 0, text.Length);
                    break;
                case "varint":
                    writer.Write(reader.ReadString());
                    break;
                default:
                    answers.WriteLine(lines.ReadLine());
                    answers.Flush();
                    break;
            }
            writer.Flush();
        }
    }

    static void Do(string step, PipeStream pipe)
    {
        var stdout = Console.OpenStandardOutput();
        var colon = step.IndexOf(':');
        var argument = colon < 0 ? "" : step.Substring(colon + 1);
        switch (colon < 0 ? step : step.Substring(0, colon))
        {
            case "write":
                var text = Encoding.UTF8.GetBytes(argument);
                pipe.Write(text, 0, text.Length);
                break;
            case "byte":
                pipe.WriteByte(byte.Parse(argument));
                break;
            case "readbyte":
                Console.Out.Write(pipe.ReadByte());
                Console.Out.Flush();
                break;
            case "read":
                pipe.CopyTo(stdout);
                stdout.Flush();
                break;
            case "count":
                var buffer = new byte[65536];
                long total = 0;
                int read;
                while ((read = pipe.Read(buffer, 0, buffer.Length)) > 0) total += read;
                Console.Out.Write(total);
                Console.Out.Flush();
                break;
            case "echo":
                var kind = argument.Split(':');
                Echo(pipe, kind[0], int.Parse(kind[1]));
                break;
            case "line":
                Console.In.ReadLine();
                break;
            case "wait":
                var server = (NamedPipeServerStream)pipe;
                server.Disconnect();
                server.WaitForConnection();
                Console.Error.WriteLine("connected again");
                break;
            default:
                throw new ArgumentException("no such step: " + step);
        }
    }
}
