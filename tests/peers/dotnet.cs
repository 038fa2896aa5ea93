// .NET's own named pipes, driven step by step from the command line:
//
//   dotnet.exe server|client NAME In|Out|InOut None|CurrentUserOnly STEP...
//
// What happens goes to stderr (so that tests can wait for it), what is received to stdout. Steps:
// write:TEXT  byte:N (WriteByte)  readbyte (prints it in decimal)  read (to the end)  count (to the end,
// prints how much)  line (waits for one on stdin)  wait (server: Disconnect and wait for the next client)
using System;
using System.IO;
using System.IO.Pipes;
using System.Text;

static class Program
{
    static int Main(string[] args)
    {
        try
        {
            var direction = (PipeDirection)Enum.Parse(typeof(PipeDirection), args[2]);
            // CurrentUserOnly is newer than the reference assembly that mcs compiles with.
            var options = args[3] == "CurrentUserOnly" ? (PipeOptions)0x20000000 : PipeOptions.None;
            using (PipeStream pipe = args[0] == "server"
                ? Serve(args[1], direction, options)
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

    static NamedPipeServerStream Serve(string name, PipeDirection direction, PipeOptions options)
    {
        var pipe = new NamedPipeServerStream(name, direction, 1, PipeTransmissionMode.Byte, options);
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
